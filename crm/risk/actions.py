"""Publishing a version of the model, and withdrawing one."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max

from crm.agents.actions import audit
from crm.agents.models import User
from crm.risk.features import CODES
from crm.risk.models import RiskModel
from crm.shared.errors import DomainError


class RiskModelRefused(DomainError):
    """What is published is not about the published features."""


@dataclass(frozen=True)
class Learned:
    """What an attempt came to. ``weights``: code, weight, mean and sd of every feature."""

    verdict: str
    sample: dict[str, Any]
    intercept: float | None = None
    weights: list[dict[str, Any]] = field(default_factory=list)
    base_rate: float | None = None
    validation: dict[str, Any] = field(default_factory=dict)


@transaction.atomic
def publish_model(learned: Learned, *, by: User | None, now: datetime) -> RiskModel:
    """Keep an attempt as the newest version; it counts from now on."""
    codes = [weight["code"] for weight in learned.weights]
    if learned.verdict == RiskModel.Verdict.TRUSTED and codes != list(CODES):
        raise RiskModelRefused(f"weights of {codes}, wanted {list(CODES)}")
    latest = RiskModel.objects.aggregate(n=Max("version"))["n"] or 0
    model = RiskModel.objects.create(
        version=latest + 1,
        fitted_at=now,
        verdict=learned.verdict,
        intercept=learned.intercept,
        weights=learned.weights,
        base_rate=learned.base_rate,
        sample=learned.sample,
        validation=learned.validation,
    )
    audit(by, "risk.publish", model, now=now, version=model.version, verdict=model.verdict)
    return model
