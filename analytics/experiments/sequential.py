"""Looking early without fooling oneself.

Always valid (mixture sequential probability ratio test; Johari, Koomen, Pekelis, Walsh 2022): the
interval may be looked at after every customer. tau, about the size of the expected effect, is fixed
before the start. The variance is a plug-in, so about 100 events an arm come first.

Group sequential with K planned looks (Jennison & Turnbull 2000): O'Brien-Fleming is strict early
and nearly free at the end, Pocock has one boundary for all looks.

Where what is known does not grow evenly from look to look, the error is spent by the calendar (Lan
& DeMets 1983, 1989): so much of it may be used up by the k-th of K planned looks, and the boundary
follows from how far the looks resemble each other. The plan is of looks: who looks more often
between two of them sees the same answer.
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
_HIGHEST = 8.0
_LEAST_GROWTH = 1.004


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


@lru_cache(maxsize=512)
def spent_boundaries(
    information: tuple[float, ...], looks: int, alpha: float = 0.05
) -> tuple[float, ...]:
    """|z| at each look reached, when the error is spent by the calendar as O'Brien-Fleming would.

    ``information``: what was known at each look that was reached, growing, in any unit; the ratio
    of two looks is the squared correlation of their z. A look at which nothing was known has no
    boundary (infinite), and leaves its share of the error to the next.
    """
    limits: list[float] = []
    walk, spent = None, 0.0
    for look, known in enumerate(information, start=1):
        if known <= 0:
            limits.append(float("inf"))
            continue
        allowed = _spent_by(look / looks, alpha) - spent
        walk = _Walk.begun(known) if walk is None else walk.on_to(known)
        limits.append(walk.limit(allowed))
        walk, spent = walk.within(limits[-1]), spent + allowed
    return tuple(limits)


def _spent_by(share: float, alpha: float) -> float:
    """The part of the error that may be used up when this share of the time is over."""
    from scipy.stats import norm

    return float(4 * norm.sf(norm.isf(alpha / 4) / sqrt(share)))  # Each side spends its own half.


@dataclass(frozen=True)
class _Walk:
    """Where S = z sqrt(information) may stand just before a look, if no boundary was crossed.

    ``mass`` on the points ``grid`` is of the look before; a step of deviation ``step`` follows.
    """

    known: float
    step: float
    grid: np.ndarray
    mass: np.ndarray

    @classmethod
    def begun(cls, known: float) -> "_Walk":
        return cls(known, sqrt(known), np.zeros(1), np.ones(1))

    def on_to(self, known: float) -> "_Walk":
        """A later look. Two that are nearly the same are taken as a little less so: strict."""
        known = max(known, self.known * _LEAST_GROWTH)
        return _Walk(known, sqrt(known - self.known), self.grid, self.mass)

    def limit(self, allowed: float) -> float:
        """|z| beyond which exactly ``allowed`` of the mass lies."""
        from scipy.special import ndtr

        low, high = 0.0, _HIGHEST
        for _round in range(40):
            middle = (low + high) / 2
            edge = middle * sqrt(self.known)
            outside = ndtr((-edge - self.grid) / self.step) + ndtr((self.grid - edge) / self.step)
            low, high = (middle, high) if self.mass @ outside > allowed else (low, middle)
        return high

    def within(self, limit: float) -> "_Walk":
        """The mass that did not cross."""
        edge = limit * sqrt(self.known)
        grid = np.linspace(-edge, edge, _POINTS)
        spacing = grid[1] - grid[0]
        steps = (grid[:, None] - self.grid[None, :]) / self.step
        mass = _normal(steps) @ self.mass * spacing / self.step
        mass[[0, -1]] /= 2
        return _Walk(self.known, 0.0, grid, mass)


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
