"""Checks that come before and after the effect: sample ratio, and many results at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ALARM = 0.001
# Splits that people choose, as the share of the treatment among two arms.
_USUAL = (0.5, 0.6, 2 / 3, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class SampleRatio:
    """Do the sizes of the arms fit the intended split? ``is_assumed``: nobody said the split."""

    expected: dict[str, float]
    observed: dict[str, int]
    p_value: float
    is_assumed: bool

    @property
    def is_alarm(self) -> bool:
        """Something other than chance chose who is in the data: show no result."""
        return self.p_value < ALARM

    def as_json(self) -> dict[str, Any]:
        return {
            "expected": self.expected,
            "observed": self.observed,
            "p_value": self.p_value,
            "assumed": self.is_assumed,
            "alarm": self.is_alarm,
        }


def sample_ratio(sizes: Mapping[str, int], split: Mapping[str, float] | None) -> SampleRatio:
    """Chi-square of the arms' sizes against the split (weights by arm).

    Without a split the nearest usual one is assumed for two arms, equal parts for more.
    """
    from scipy.stats import chisquare

    weights = dict(split) if split else assumed_split(sizes)
    total, whole = sum(sizes.values()), sum(weights.values())
    expected = {arm: total * weights[arm] / whole for arm in sizes}
    test = chisquare(list(sizes.values()), list(expected.values()))
    shares = {arm: weights[arm] / whole for arm in sizes}
    return SampleRatio(shares, dict(sizes), float(test.pvalue), is_assumed=split is None)


def assumed_split(sizes: Mapping[str, int]) -> dict[str, float]:
    """The usual split that lies nearest to these sizes."""
    if len(sizes) != 2:
        return dict.fromkeys(sizes, 1.0)
    (one, n), (two, m) = sizes.items()
    shares = [*_USUAL, *(1 - share for share in _USUAL[1:])]
    share = min(shares, key=lambda share: abs(n / (n + m) - share))
    return {one: share, two: 1 - share}


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """q values: the smallest false discovery rate at which each result would be kept.

    Source: Benjamini & Hochberg 1995.
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i], reverse=True)
    found, lowest = [0.0] * len(p_values), 1.0
    for place, i in enumerate(order):
        rank = len(p_values) - place
        lowest = min(lowest, p_values[i] * len(p_values) / rank)
        found[i] = lowest
    return found
