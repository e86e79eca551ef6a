"""One attempt to learn: fit on the past, judge on the weeks that followed, publish what came."""

from datetime import UTC, datetime
from typing import Any

import numpy as np

from analytics.risk.fitting import fit
from analytics.risk.judging import auc, brier, deciles
from analytics.risk.observations import Observations, observe
from crm.agents.models import User
from crm.risk.actions import Learned, publish_model
from crm.risk.features import FEATURES, HORIZON_DAYS
from crm.risk.models import RiskModel

TEST_DAYS = 28
LEAST_TO_FIT = 10 * len(FEATURES)
"""Ten deletions for each weight, a rule of thumb of long standing."""
LEAST_TO_TEST = 20
_DAY = 86_400
Verdict = RiskModel.Verdict


def learn(*, now: datetime, by: User | None = None) -> RiskModel:
    """Learn from what is known now, and publish it."""
    return publish_model(judged(observe(now=now), now=now), by=by, now=now)


def judged(touches: Observations, *, now: datetime) -> Learned:
    """What these touches teach, and whether it may be used.

    A week lies between fit and test, so that every outcome of the fit was known when the test
    began.
    """
    end = now.timestamp() - HORIZON_DAYS * _DAY
    split = end - TEST_DAYS * _DAY
    past = touches.where(touches.at < split - HORIZON_DAYS * _DAY)
    later = touches.where((touches.at >= split) & (touches.at <= end))
    sample = {"fit": _counted(past), "test": _counted(later)}
    enough = _has(past, LEAST_TO_FIT) and _has(later, LEAST_TO_TEST)
    if not enough:
        return Learned(Verdict.SMALL, sample)
    found = fit(past.raw, past.deleted)
    foretold = found.probabilities(later.raw)
    base_rate = float(past.deleted.mean())
    ranking = auc(foretold, later.deleted, later.customers)
    error = brier(foretold, later.deleted)
    plain = brier(np.full(len(later), base_rate), later.deleted)
    is_better = ranking.low > 0.5 and error < plain
    return Learned(
        Verdict.TRUSTED if is_better else Verdict.NO_BETTER,
        sample,
        intercept=found.intercept,
        weights=found.as_rows(),
        base_rate=base_rate,
        validation={
            "auc": {"value": ranking.value, "low": ranking.low, "high": ranking.high},
            "brier": error,
            "brier_of_base_rate": plain,
            "deciles": deciles(foretold, later.deleted),
        },
    )


def _has(touches: Observations, least: int) -> bool:
    """Whether there are enough deletions, and enough without."""
    deleted = int(touches.deleted.sum())
    return min(deleted, len(touches) - deleted) >= least


def _counted(touches: Observations) -> dict[str, Any]:
    first, last = (
        (datetime.fromtimestamp(float(at), UTC).isoformat() for at in touches.at[[0, -1]])
        if len(touches)
        else (None, None)
    )
    return {
        "touches": len(touches),
        "deleted": int(touches.deleted.sum()),
        "customers": len(np.unique(touches.customers)),
        "from": first,
        "to": last,
    }
