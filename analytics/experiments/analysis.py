"""From rows to results: assignment, checks, effects, adjusted effects, multiplicity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from analytics.experiments.checks import SampleRatio, benjamini_hochberg, sample_ratio
from analytics.experiments.cuped import Adjusted, adjust
from analytics.experiments.effects import Effect, Interval, difference, effect
from analytics.experiments.looking import Looks, information_of, is_enough, looks_of
from analytics.experiments.samples import Sample
from analytics.experiments.sequential import (
    AlwaysValid,
    always_valid,
    boundaries,
    has_enough_events,
)

FALSE_DISCOVERIES = 0.05


@dataclass(frozen=True)
class Trial:
    """One row per unit: its arm (index into ``arms``), outcomes and covariates by name.

    Arms begin with the control, if there is one. Outcomes are float arrays without gaps; covariates
    may hold NaN. ``clusters`` is the group that was drawn as a whole (agent, group, city).

    Looks that came before this one are told by what the same people had done by then (``earlier``:
    one array a look), or by who was there already (``joined``: the look that first saw a unit).
    """

    arms: tuple[str, ...]
    has_control: bool
    arm: np.ndarray
    outcomes: Mapping[str, np.ndarray]
    covariates: Mapping[str, np.ndarray]
    clusters: np.ndarray | None = None
    earlier: Mapping[str, Sequence[np.ndarray]] | None = None
    joined: np.ndarray | None = None


@dataclass(frozen=True)
class Plan:
    """What was fixed before the start: split (weights by arm), looks, expected effect.

    A ``shape`` of `spending` judges all looks so far together, by what the trial tells of them.
    """

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
    looks: Looks | None = None

    @property
    def p_value(self) -> float | None:
        """The p that enters the judgement of many results at once."""
        return self.looks.p_value if self.looks else (self.cuped or self.effect).p_value

    @property
    def interval(self) -> Interval:
        """The interval that decides: over all looks, by cluster if those were drawn, adjusted."""
        if self.looks:
            return self.looks.latest.interval
        if self.clustered:
            return self.clustered
        return (self.cuped or self.effect).difference

    @property
    def lift(self) -> Interval | None:
        """Treatment over control minus 1, as sure as all looks together allow."""
        if self.looks and self.effect.lift:
            return self.effect.lift.ratio_for_boundary(self.looks.latest.boundary)
        return self.effect.lift

    @property
    def is_lost_among_many(self) -> bool:
        """Too likely a find by chance, given that several results are looked at."""
        return self.q_value is not None and self.q_value > FALSE_DISCOVERIES

    @property
    def verdict(self) -> str:
        """`higher`, `lower` or `no_evidence`, by the deciding interval; before that `too_early`."""
        if self.looks:
            return self.looks.verdict
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
    adjusted = _adjusted(trial, values)
    cuped, explained, judged = None, 0.0, (treatment, control)
    if adjusted:
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
        looks=_looks(trial, plan, outcome, arm),
    )


def _adjusted(trial: Trial, values: np.ndarray, who: np.ndarray | None = None) -> Adjusted | None:
    """Outcomes less what was known before, of all or of some units; None without covariates."""
    if not trial.covariates:
        return None
    columns = np.column_stack(list(trial.covariates.values()))
    return adjust(values, columns if who is None else columns[who])


def _looks(trial: Trial, plan: Plan, outcome: str, arm: int) -> Looks | None:
    """All planned looks that were reached, judged together."""
    if plan.shape != "spending" or not (plan.looks and plan.look):
        return None
    everybody = np.ones(len(trial.arm), bool)
    values = trial.outcomes[outcome]
    if trial.joined is not None:
        seen = [(values, trial.joined <= look) for look in range(1, plan.look + 1)]
        known = tuple(round(float(who.sum() / len(who)), 4) for _values, who in seen)
    else:
        earlier = (trial.earlier or {}).get(outcome, ())
        seen = [(one, everybody) for one in (*earlier, values)]
        said = [found.values if (found := _adjusted(trial, one)) else one for one, _who in seen]
        known = information_of(said)
    fixed = [_fixed(trial, one, who, arm) for one, who in seen]
    return looks_of(fixed, known, plan.looks)


def _fixed(trial: Trial, values: np.ndarray, who: np.ndarray, arm: int) -> tuple[Interval, bool]:
    """The interval of one look by itself, and whether there was enough to stop at it."""
    binary = is_binary(values)
    sides = [who & (trial.arm == side) for side in (arm, 0)]
    arms = [Sample.of(values[side], is_binary=binary) for side in sides]
    enough = all(is_enough(values[side], is_binary=binary) for side in sides)
    adjusted = _adjusted(trial, values[who], who)
    if adjusted:
        said = np.zeros(len(values))
        said[who] = adjusted.values
        judged = [Sample.of(said[side], is_binary=False) for side in sides]
    else:
        judged = arms
    return difference(*judged), enough


def _early(plan: Plan, treatment: Sample, control: Sample) -> Early | None:
    error = treatment.error + control.error
    if not (plan.looks and plan.look and error) or plan.shape == "spending":
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
    known = [i for i in judged if results[i].p_value is not None]
    found = benjamini_hochberg([results[i].p_value for i in known])
    q = dict(zip(known, found, strict=True))
    return tuple(
        Result(**(vars(result) | {"q_value": q.get(i)})) for i, result in enumerate(results)
    )
