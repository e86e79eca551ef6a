"""A report in the words of command and API."""

from typing import Any

from analytics.experiments.analysis import Report, Result
from analytics.experiments.effects import Effect


def as_json(report: Report) -> dict[str, Any]:
    """The whole answer; `results` is empty where none may be shown."""
    return {
        "status": report.status,
        "arms": report.sizes,
        "control": report.arms[0] if report.status != "unproven" else None,
        "srm": report.ratio.as_json() if report.ratio else None,
        "results": [_result(result) for result in report.results],
        "without_control": {
            outcome: {arm: sample.as_json() for arm, sample in arms.items()}
            for outcome, arms in report.alone.items()
        },
    }


def _result(result: Result) -> dict[str, Any]:
    return {
        "outcome": result.outcome,
        "arm": result.arm,
        "primary": result.is_primary,
        "kind": "rate" if result.control.positives is not None else "mean",
        "control": result.control.as_json(),
        "treatment": result.treatment.as_json(),
        **_effect(result.effect),
        "q_value": result.q_value,
        "cuped": _effect(result.cuped) | {"variance_explained": result.explained}
        if result.cuped
        else None,
        "clustered": result.clustered.as_json() | {"clusters": result.clusters}
        if result.clustered
        else None,
        "sequential": early.as_json() if (early := result.looks or result.early) else None,
        "always_valid": result.anytime.difference.as_json() | {"p_value": result.anytime.p_value}
        if result.anytime
        else None,
        "verdict": result.verdict,
    }


def _effect(effect: Effect) -> dict[str, Any]:
    return {
        "difference": effect.difference.as_json(),
        "lift": effect.lift.as_json() if effect.lift else None,
        "p_value": effect.p_value,
        "method": effect.method,
    }
