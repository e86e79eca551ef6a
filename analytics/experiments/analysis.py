"""From rows to results: assignment, checks, effects, adjusted effects, multiplicity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from analytics.experiments.checks import SampleRatio, benjamini_hochberg, sample_ratio
from analytics.experiments.cuped import adjust
from analytics.experiments.effects import Effect, Interval, effect
from analytics.experiments.samples import Sample
from analytics.experiments.sequential import (
    AlwaysValid,
    always_valid,
    boundaries,
    has_enough_events,
)


@dataclass(frozen=True)
class Trial:
    """One row per unit: its arm (index into ``arms``), outcomes and covariates by name.

    Arms begin with the control, if there is one. Outcomes are float arrays without gaps; covariates
    may hold NaN. ``clusters`` is the group that was drawn as a whole (agent, group, city).
    """

    arms: tuple[str, ...]
    has_control: bool
    arm: np.ndarray
    outcomes: Mapping[str, np.ndarray]
    covariates: Mapping[str, np.ndarray]
    clusters: np.ndarray | None = None


@dataclass(frozen=True)
class Plan:
    """What was fixed before the start: split (weights by arm), looks, expected effect."""

    split: Mapping[str, float] | None = None
    tau: float | None = None
    looks: int | None = None
    look: int | None = None
    shape: str = "obrien-fleming"


@dataclass(frozen=True)
class Early:
    """A planned look: is |z| over its boundary?"""

    look: int
    looks: int
    shape: str
    z: float
    boundary: float

    def as_json(self) -> dict[str, Any]:
        return vars(self) | {"crossed": abs(self.z) >= self.boundary}


@dataclass(frozen=True)
class Result:
    """One outcome of one arm against the control."""

    outcome: str
    arm: str
    is_primary: bool
    control: Sample
    treatment: Sample
    effect: Effect
    cuped: Effect | None
    explained: float
    clustered: Interval | None
    clusters: int
    early: Early | None
    anytime: AlwaysValid | None
    q_value: float | None = None

    @property
    def interval(self) -> Interval:
        """The interval that decides: by cluster where clusters were drawn, else adjusted."""
        if self.clustered:
            return self.clustered
        return (self.cuped or self.effect).difference

    @property
    def verdict(self) -> str:
        """`higher`, `lower` or `no_evidence`, by the deciding interval."""
        if not self.interval.excludes_zero:
            return "no_evidence"
        return "higher" if self.interval.value > 0 else "lower"


@dataclass(frozen=True)
class Report:
    """The answer. ``status``: `answered`, `unproven` (no control) or `sample_ratio` (no result)."""

    status: str
    arms: tuple[str, ...]
    sizes: dict[str, int]
    ratio: SampleRatio | None
    results: tuple[Result, ...]
    alone: dict[str, dict[str, Sample]]


def analyse(trial: Trial, plan: Plan | None = None) -> Report:
    """Judge a trial; raises nothing for data that `Trial` allows."""
    plan = plan or Plan()
    sizes = {name: int((trial.arm == i).sum()) for i, name in enumerate(trial.arms)}
    if not trial.has_control or len(trial.arms) < 2:
        return Report("unproven", trial.arms, sizes, None, (), _alone(trial))
    ratio = sample_ratio(sizes, plan.split)
    if ratio.is_alarm:
        return Report("sample_ratio", trial.arms, sizes, ratio, (), {})
    results = [
        _result(trial, plan, name, arm, is_primary=number == 0)
        for number, name in enumerate(trial.outcomes)
        for arm in range(1, len(trial.arms))
    ]
    return Report("answered", trial.arms, sizes, ratio, _with_q(results), {})


def _alone(trial: Trial) -> dict[str, dict[str, Sample]]:
    return {
        outcome: {
            name: Sample.of(values[trial.arm == i], is_binary=is_binary(values))
            for i, name in enumerate(trial.arms)
        }
        for outcome, values in trial.outcomes.items()
    }


def is_binary(values: np.ndarray) -> bool:
    """Yes/no outcomes hold nothing but 0 and 1."""
    return bool(((values == 0) | (values == 1)).all())


def _result(trial: Trial, plan: Plan, outcome: str, arm: int, *, is_primary: bool) -> Result:
    values = trial.outcomes[outcome]
    binary = is_binary(values)
    treated, held = trial.arm == arm, trial.arm == 0
    treatment = Sample.of(values[treated], is_binary=binary)
    control = Sample.of(values[held], is_binary=binary)
    cuped, explained, judged = None, 0.0, (treatment, control)
    if trial.covariates:
        covariates = np.column_stack(list(trial.covariates.values()))
        adjusted = adjust(values, covariates)
        judged = tuple(Sample.of(adjusted.values[who], is_binary=False) for who in (treated, held))
        cuped, explained = effect(*judged), adjusted.explained
    clustered, clusters = None, 0
    if trial.clusters is not None:
        clustered, clusters = _clustered(values, treated, held, trial.clusters)
    return Result(
        outcome=outcome,
        arm=trial.arms[arm],
        is_primary=is_primary,
        control=control,
        treatment=treatment,
        effect=effect(treatment, control),
        cuped=cuped,
        explained=explained,
        clustered=clustered,
        clusters=clusters,
        early=_early(plan, *judged),
        anytime=_anytime(plan, treatment, control, judged),
    )


def _early(plan: Plan, treatment: Sample, control: Sample) -> Early | None:
    error = treatment.error + control.error
    if not (plan.looks and plan.look and error):
        return None
    z = (treatment.mean - control.mean) / sqrt(error)
    limit = boundaries(plan.looks, plan.shape)[plan.look - 1]
    return Early(plan.look, plan.looks, plan.shape, z, limit)


def _anytime(
    plan: Plan, treatment: Sample, control: Sample, judged: tuple[Sample, Sample]
) -> AlwaysValid | None:
    enough = has_enough_events(treatment) and has_enough_events(control)
    return always_valid(*judged, tau=plan.tau) if plan.tau and enough else None


def _clustered(
    values: np.ndarray, treated: np.ndarray, held: np.ndarray, clusters: np.ndarray
) -> tuple[Interval, int]:
    """Difference of means whose error counts clusters, not units (linearised ratio of totals)."""
    from scipy.stats import t

    means, errors, counts = [], [], []
    for who in (treated, held):
        _names, place = np.unique(clusters[who], return_inverse=True)
        mean = values[who].mean()
        residuals = np.bincount(place, weights=values[who] - mean)
        count = len(residuals)
        correction = count / (count - 1) if count > 1 else np.nan
        means.append(mean)
        errors.append(correction * (residuals @ residuals) / who.sum() ** 2)
        counts.append(count)
    d, error, freedom = means[0] - means[1], sum(errors), sum(counts) - 2
    if freedom < 1 or not np.isfinite(error):
        return Interval(float(d), None, None), sum(counts)
    half = float(t.ppf(0.975, freedom)) * sqrt(error)
    return Interval(float(d), float(d - half), float(d + half)), sum(counts)


def _with_q(results: Sequence[Result]) -> tuple[Result, ...]:
    """q values of all but the single primary comparison; with several arms, of all of them."""
    alone = [r.is_primary for r in results].count(True) == 1
    judged = [i for i, r in enumerate(results) if not (alone and r.is_primary)]
    known = [i for i in judged if (results[i].cuped or results[i].effect).p_value is not None]
    found = benjamini_hochberg([(results[i].cuped or results[i].effect).p_value for i in known])
    q = dict(zip(known, found, strict=True))
    return tuple(
        Result(**(vars(result) | {"q_value": q.get(i)})) for i, result in enumerate(results)
    )
