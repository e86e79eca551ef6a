"""What page, file and API tell: the newest attempt, the layers, and the data time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from analytics.events.budget import whole_budget
from analytics.figures.lasting import lasting
from analytics.risk.layers import Line, data_time, lines
from crm.agents.models import User
from crm.risk.models import RiskModel


@dataclass(frozen=True)
class Answer:
    """Layers with their sum, as of when; ``model`` is the newest attempt, whatever came of it."""

    rows: list[Line]
    total: Line
    data_time: datetime | None
    model: RiskModel | None

    @property
    def is_scored(self) -> bool:
        """Whether probabilities stand."""
        return self.total.expected is not None


def answer(*, user: User, now: datetime) -> Answer:
    """The answer within the user's scope."""

    def ask() -> Answer:
        with whole_budget():
            rows, total = lines(user=user, now=now)
            return Answer(rows, total, data_time(), RiskModel.newest(now))

    return lasting("risk", {}, user=user, ask=ask)


def versions() -> list[RiskModel]:
    """The last attempts, newest first."""
    return list(RiskModel.objects.order_by("-version")[:12])


def model_json(model: RiskModel | None) -> dict[str, Any] | None:
    """An attempt for other systems."""
    if model is None:
        return None
    return {
        "version": model.version,
        "fitted_at": model.fitted_at,
        "verdict": model.verdict,
        "is_withdrawn": model.is_withdrawn,
        "intercept": model.intercept,
        "base_rate": model.base_rate,
        "weights": model.weights,
        "sample": model.sample,
        "validation": model.validation,
    }
