"""Waits of which some have not ended: the Kaplan-Meier estimate, and its quantiles."""

from dataclasses import dataclass

import numpy as np

# Products of fractions miss a half by a hair; no wait is told apart by less.
_HAIR = 1e-9


@dataclass(frozen=True)
class Waits:
    """Share answered as a step function: at ``times[i]`` seconds it rises to ``answered[i]``."""

    times: np.ndarray
    answered: np.ndarray

    def quantile(self, share: float) -> float | None:
        """Seconds within which at least ``share`` were answered; None where that is not known."""
        reached = np.flatnonzero(self.answered >= share - _HAIR)
        return float(self.times[reached[0]]) if len(reached) else None

    def within(self, seconds: float) -> float:
        """The share answered within ``seconds``."""
        steps = int(np.searchsorted(self.times, seconds, side="right"))
        return float(self.answered[steps - 1]) if steps else 0.0


def waits(seconds: np.ndarray, is_answered: np.ndarray) -> Waits:
    """The estimate from waits in seconds; those not answered lasted at least so long.

    A wait that was cut off at the very instant of an answer still counts as waiting then.
    """
    if not is_answered.any():
        return Waits(np.empty(0), np.empty(0))
    times, ended = np.unique(seconds[is_answered], return_counts=True)
    still = len(seconds) - np.searchsorted(np.sort(seconds), times, side="left")
    return Waits(times, 1.0 - np.cumprod(1.0 - ended / still))
