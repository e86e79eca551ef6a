"""Planned looks at a running trial: what was seen at each, its boundary, and whether one crossed.

A look judges what had happened by its moment and nothing later, so that everybody who opens the
page between two looks, however often, sees the same. Whatever crossed once stays so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analytics.experiments.effects import Interval
from analytics.experiments.sequential import spent_boundaries

EVENTS_TO_STOP_EARLY = 10
"""In each arm: with fewer, early limits that lie far out are not to be believed."""
_DIGITS = 4


@dataclass(frozen=True)
class Look:
    """One planned look: its boundary for |z|, and the interval that takes all looks into account.

    ``information``: the share of what is known at the latest look that was known here.
    """

    number: int
    boundary: float
    z: float
    interval: Interval
    information: float
    is_enough: bool

    @property
    def has_crossed(self) -> bool:
        return self.is_enough and self.interval.excludes_zero


@dataclass(frozen=True)
class Looks:
    """The looks that were reached of all ``planned``."""

    planned: int
    reached: tuple[Look, ...]

    @property
    def latest(self) -> Look:
        return self.reached[-1]

    @property
    def is_final(self) -> bool:
        return len(self.reached) == self.planned

    @property
    def crossed(self) -> Look | None:
        """The first look that crossed its boundary: it decides."""
        return next((look for look in self.reached if look.has_crossed), None)

    @property
    def verdict(self) -> str:
        """`higher`, `lower`, `no_evidence` at the end, `too_early` before it."""
        if look := self.crossed:
            return "higher" if look.interval.value > 0 else "lower"
        return "no_evidence" if self.is_final else "too_early"

    @property
    def p_value(self) -> float:
        """The p that is .05 just where the latest boundary lies."""
        from scipy.stats import norm

        look = self.crossed or self.latest
        if not look.boundary or np.isinf(look.boundary):
            return 1.0
        return float(2 * norm.sf(norm.isf(0.025) * abs(look.z) / look.boundary))

    def as_json(self) -> dict[str, Any]:
        """As command, API and file print it; a look without a boundary has none."""
        look = self.latest
        return {
            "look": look.number,
            "looks": self.planned,
            "shape": "spending",
            "z": look.z,
            "boundary": None if np.isinf(look.boundary) else look.boundary,
            "information": [one.information for one in self.reached],
            "crossed": self.crossed is not None,
            "crossed_at": self.crossed.number if self.crossed else None,
            "p_value": self.p_value,
            "interval": look.interval.as_json(),
        }


def information_of(outcomes: Sequence[np.ndarray]) -> tuple[float, ...]:
    """How much the same people's outcomes said at each look, in units of the latest.

    Two looks at the same people are as alike as the squared correlation of their outcomes: for
    yes or no that is the ratio of the odds.
    """
    known = [0.0 if not len(values) or values.std() == 0 else 1.0 for values in outcomes]
    for place in range(len(outcomes) - 2, -1, -1):
        if known[place] and known[place + 1]:
            alike = float(np.corrcoef(outcomes[place], outcomes[place + 1])[0, 1])
            known[place] = known[place + 1] * max(alike, 0.0) ** 2
    return tuple(round(one, _DIGITS) for one in known)


def looks_of(
    fixed: Sequence[tuple[Interval, bool]], information: Sequence[float], planned: int
) -> Looks:
    """Judge what was seen at each look: its own interval, and whether that is enough to stop."""
    boundaries = spent_boundaries(tuple(information), planned)
    return Looks(
        planned,
        tuple(
            Look(
                number=number,
                boundary=boundary,
                z=interval.z,
                interval=interval.for_boundary(boundary),
                information=known,
                is_enough=number == planned or is_enough,
            )
            for number, ((interval, is_enough), known, boundary) in enumerate(
                zip(fixed, information, boundaries, strict=True), start=1
            )
        ),
    )


def is_enough(values: np.ndarray, *, is_binary: bool) -> bool:
    """So many of an arm did something, and of yes and no so many did not."""
    did = int((values != 0).sum())
    return min(did, len(values) - did if is_binary else did) >= EVENTS_TO_STOP_EARLY
