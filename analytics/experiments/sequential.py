"""Looking early without fooling oneself.

Always valid (mixture sequential probability ratio test; Johari, Koomen, Pekelis, Walsh 2022): the
interval may be looked at after every customer. tau, about the size of the expected effect, is fixed
before the start. The variance is a plug-in, so about 100 events an arm come first.

Group sequential with K planned looks (Jennison & Turnbull 2000): O'Brien-Fleming is strict early
and nearly free at the end, Pocock has one boundary for all looks.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import exp, log, sqrt
from typing import Literal

import numpy as np

from analytics.experiments.effects import Interval
from analytics.experiments.samples import Sample

EVENTS_BEFORE_FIRST_LOOK = 100
MAX_LOOKS = 50
_POINTS = 601


@dataclass(frozen=True)
class AlwaysValid:
    """An interval and a p that hold at any moment of looking."""

    difference: Interval
    p_value: float


def always_valid(
    treatment: Sample, control: Sample, *, tau: float, alpha: float = 0.05, before: float = 1.0
) -> AlwaysValid:
    """The interval at this look; ``before`` is the p of the last look (p never rises)."""
    d, v = treatment.mean - control.mean, treatment.error + control.error
    if not v:
        return AlwaysValid(Interval(d, None, None), before)
    square = tau * tau
    half = sqrt(v * (v + square) / square * (2 * log(1 / alpha) + log((v + square) / v)))
    exponent = square * d * d / (2 * v * (v + square))
    inverse = sqrt((v + square) / v) * exp(-exponent)  # 1 / likelihood ratio.
    return AlwaysValid(Interval(d, d - half, d + half), min(before, inverse))


def has_enough_events(sample: Sample) -> bool:
    """Enough for the plug-in variance: 100 events, or 100 units where amounts are compared."""
    if sample.positives is None:
        return sample.n >= EVENTS_BEFORE_FIRST_LOOK
    events = min(sample.positives, sample.n - sample.positives)
    return events >= EVENTS_BEFORE_FIRST_LOOK


@lru_cache(maxsize=64)
def boundaries(
    looks: int, shape: Literal["obrien-fleming", "pocock"], alpha: float = 0.05
) -> tuple[float, ...]:
    """|z| that ends the experiment at each of ``looks`` evenly spaced looks, two-sided."""
    if not 1 <= looks <= MAX_LOOKS:
        raise ValueError(f"between 1 and {MAX_LOOKS} looks, not {looks}")
    power = 0.5 if shape == "obrien-fleming" else 0.0

    def limits(constant: float) -> tuple[float, ...]:
        return tuple(constant * (looks / k) ** power for k in range(1, looks + 1))

    low, high = 1.0, 6.0
    for _round in range(50):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if crossing_probability(limits(middle)) > alpha else (low, middle)
        )
    return limits((low + high) / 2)


def crossing_probability(limits: tuple[float, ...]) -> float:
    """Chance that |z| crosses any limit though nothing is there (recursive integration).

    Works on the score S_k = z_k sqrt(k), a random walk with steps of variance 1.
    """
    edge = limits[0]
    grid = np.linspace(-edge, edge, _POINTS)
    density = _normal(grid)
    for k, limit in enumerate(limits[1:], start=2):
        edge = limit * sqrt(k)
        target = np.linspace(-edge, edge, _POINTS)
        weights = _simpson(grid) * density
        density = _normal(target[:, None] - grid[None, :]) @ weights
        grid = target
    return float(1 - _simpson(grid) @ density)


def _normal(x: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * x * x) / sqrt(2 * np.pi)


def _simpson(grid: np.ndarray) -> np.ndarray:
    weights = np.full(len(grid), 2.0)
    weights[1::2] = 4.0
    weights[0] = weights[-1] = 1.0
    return weights * (grid[1] - grid[0]) / 3
