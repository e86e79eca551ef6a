"""A rate is x of n with an interval; without n there is no rate."""

from dataclasses import dataclass
from math import sqrt

Z = 1.959964
SMALL_SAMPLE = 30


@dataclass(frozen=True)
class Rate:
    """x of n, with its 95 % Wilson interval."""

    x: int
    n: int

    @property
    def value(self) -> float | None:
        """x/n; None where there is no data."""
        return self.x / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson limits; None where there is no data."""
        if not self.n:
            return None
        share, square = self.x / self.n, Z * Z
        scale = 1 + square / self.n
        centre = (share + square / (2 * self.n)) / scale
        half = Z * sqrt(share * (1 - share) / self.n + square / (4 * self.n**2)) / scale
        return max(0.0, centre - half), min(1.0, centre + half)

    @property
    def low(self) -> float | None:
        return self.interval[0] if self.interval else None

    @property
    def high(self) -> float | None:
        return self.interval[1] if self.interval else None

    @property
    def is_small(self) -> bool:
        """Too few people to rank or to colour."""
        return self.n < SMALL_SAMPLE

    def as_json(self) -> dict[str, int | float | None]:
        return {"x": self.x, "n": self.n, "rate": self.value, "low": self.low, "high": self.high}


def difference_of(one: Rate, two: Rate) -> tuple[float, float, float] | None:
    """One rate minus another, with Newcombe's 95 % interval; None where either has no data."""
    if not one.n or not two.n:
        return None
    difference = one.value - two.value
    below = sqrt((one.value - one.low) ** 2 + (two.high - two.value) ** 2)
    above = sqrt((one.high - one.value) ** 2 + (two.value - two.low) ** 2)
    return difference, difference - below, difference + above
