"""Difference and lift between two arms, each with its 95 % interval, and a two-sided p.

Yes/no outcomes: Newcombe's interval of the difference (1998, Stat. Med. 17:873), Fisher's exact p,
log interval of the ratio. Amounts: Welch's t, and the delta method on the log of the ratio of
means; a mean at or below zero has no ratio.
"""

from dataclasses import dataclass
from math import exp, isinf, log, sqrt
from typing import Any

from analytics.charts.rates import Rate, Z
from analytics.experiments.samples import Sample


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % limits; limits are None where the data allow none."""

    value: float
    low: float | None
    high: float | None

    @property
    def excludes_zero(self) -> bool:
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    @property
    def z(self) -> float:
        """How many deviations lie between the value and zero, by the limit on that side."""
        limit = self.low if self.value > 0 else self.high
        if limit is None or self.value == limit:
            return 0.0
        return Z * self.value / abs(self.value - limit)

    def for_boundary(self, boundary: float) -> "Interval":
        """The interval when ``boundary`` stands in the place of 1.96; wider for early looks."""
        if self.low is None or self.high is None:
            return self
        if isinf(boundary):
            return Interval(self.value, None, None)
        factor = boundary / Z
        return Interval(
            self.value,
            self.value - factor * (self.value - self.low),
            self.value + factor * (self.high - self.value),
        )

    def ratio_for_boundary(self, boundary: float) -> "Interval":
        """The same for a ratio minus 1, whose interval is even on the log."""
        if self.low is None or self.high is None or self.value <= -1:
            return self
        if isinf(boundary):
            return Interval(self.value, None, None)
        logs = Interval(*(log(1 + one) for one in (self.value, self.low, self.high)))
        wide = logs.for_boundary(boundary)
        return Interval(self.value, exp(wide.low) - 1, exp(wide.high) - 1)

    def as_json(self) -> dict[str, Any]:
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Effect:
    """Treatment minus control, treatment over control minus 1, and the p of "no difference"."""

    difference: Interval
    lift: Interval | None
    p_value: float | None
    method: str


def effect(treatment: Sample, control: Sample) -> Effect:
    """The effect of being drawn for the treatment; both arms hold at least one unit."""
    if treatment.rate is not None and control.rate is not None:
        return _rates(treatment.rate, control.rate)
    return _means(treatment, control)


def difference(treatment: Sample, control: Sample) -> Interval:
    """The difference alone, as ``effect`` says it, without a test."""
    if not (treatment.n and control.n):
        return Interval(0.0, None, None)
    if treatment.rate is not None and control.rate is not None:
        return newcombe(treatment.rate, control.rate)
    return _means(treatment, control).difference


def _rates(treated: Rate, held: Rate) -> Effect:
    from scipy.stats import fisher_exact  # Heavy: half a second when it is first used.

    table = [[treated.x, treated.n - treated.x], [held.x, held.n - held.x]]
    return Effect(
        difference=newcombe(treated, held),
        lift=rate_lift(treated, held),
        p_value=float(fisher_exact(table).pvalue),
        method="fisher, newcombe",
    )


def newcombe(one: Rate, two: Rate) -> Interval:
    """Difference of two rates, from their Wilson limits."""
    p1, p2 = one.value or 0.0, two.value or 0.0
    (l1, u1), (l2, u2) = one.interval or (0.0, 1.0), two.interval or (0.0, 1.0)
    d = p1 - p2
    return Interval(
        d, d - sqrt((p1 - l1) ** 2 + (u2 - p2) ** 2), d + sqrt((u1 - p1) ** 2 + (p2 - l2) ** 2)
    )


def rate_lift(one: Rate, two: Rate) -> Interval | None:
    """Ratio of two rates minus 1; None when the control has no event."""
    if not two.x:
        return None
    ratio = (one.value or 0.0) / (two.value or 1.0)
    if not one.x:
        return Interval(-1.0, None, None)
    half = Z * sqrt(1 / one.x - 1 / one.n + 1 / two.x - 1 / two.n)
    return Interval(ratio - 1, ratio * exp(-half) - 1, ratio * exp(half) - 1)


def _means(treated: Sample, held: Sample) -> Effect:
    from scipy.stats import t, ttest_ind_from_stats

    difference = treated.mean - held.mean
    error = sqrt(treated.error + held.error)
    if min(treated.n, held.n) < 2 or not error:
        return Effect(Interval(difference, None, None), None, None, "welch")
    freedom = (treated.error + held.error) ** 2 / sum(
        arm.error**2 / (arm.n - 1) for arm in (treated, held)
    )
    half = float(t.ppf(0.975, freedom)) * error
    test = ttest_ind_from_stats(
        treated.mean, sqrt(treated.variance), treated.n,
        held.mean, sqrt(held.variance), held.n, equal_var=False,
    )  # fmt: skip
    return Effect(
        difference=Interval(difference, difference - half, difference + half),
        lift=mean_lift(treated.mean, treated.error, held.mean, held.error),
        p_value=float(test.pvalue),
        method="welch",
    )


def mean_lift(mean: float, error: float, base: float, base_error: float) -> Interval | None:
    """Ratio of two independent means minus 1 (delta method on the log); None unless both > 0."""
    if mean <= 0 or base <= 0:
        return None
    half = Z * sqrt(error / mean**2 + base_error / base**2)
    middle = log(mean / base)
    return Interval(exp(middle) - 1, exp(middle - half) - 1, exp(middle + half) - 1)
