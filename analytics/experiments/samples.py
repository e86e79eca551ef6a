"""One arm's outcome, reduced to what the formulas need."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from analytics.charts.rates import Rate


@dataclass(frozen=True)
class Sample:
    """Units of one arm: how many, their mean and variance (n - 1); ``positives`` for yes/no."""

    n: int
    mean: float
    variance: float
    total: float
    positives: int | None = None

    @classmethod
    def of(cls, values: np.ndarray, *, is_binary: bool) -> "Sample":
        """The sample of a float array, one value per unit."""
        n = len(values)
        total = float(values.sum())
        return cls(
            n=n,
            mean=total / n if n else 0.0,
            variance=float(values.var(ddof=1)) if n > 1 else 0.0,
            total=total,
            positives=round(total) if is_binary else None,
        )

    @property
    def rate(self) -> Rate | None:
        """x of n, for yes/no outcomes."""
        return None if self.positives is None else Rate(self.positives, self.n)

    @property
    def error(self) -> float:
        """Variance of the mean."""
        return self.variance / self.n if self.n else 0.0

    def as_json(self) -> dict[str, Any]:
        if self.rate is not None:
            return self.rate.as_json()
        deviation = self.variance**0.5
        return {"n": self.n, "mean": self.mean, "sd": deviation, "total": self.total}
