"""The risk of one customer as the profile shows it."""

from dataclasses import dataclass
from datetime import datetime

from crm.agents.models import User
from crm.customers.models import Customer
from crm.risk.features import FEATURES, points, taken
from crm.risk.models import CustomerRisk, RiskModel


@dataclass(frozen=True)
class Reason:
    """One feature of the customer: its value, and the points where points count."""

    label: str
    unit: str
    value: float
    points: int | None


@dataclass(frozen=True)
class Told:
    """Band, probability where a model stands, and the reasons that raise it, strongest first."""

    band: str
    label: str
    probability: float | None
    points: int
    reasons: list[Reason]
    agent: str
    version: int | None
    as_of: datetime


def risk_told(customer: Customer, *, by: User) -> Told | None:
    """Why this friend is at risk; None where nothing is kept."""
    rows = CustomerRisk.objects.for_user(by).select_related("model", "agent")
    row = rows.filter(customer=customer).first()
    if row is None:
        return None
    return Told(
        band=row.band,
        label=str(row.get_band_display()),
        probability=row.probability,
        points=row.points,
        reasons=_by_points(row) if row.model is None else _by_weight(row, row.model),
        agent=row.agent.name,
        version=row.model.version if row.model else None,
        as_of=row.as_of,
    )


def _by_points(row: CustomerRisk) -> list[Reason]:
    found = [
        Reason(str(feature.label), str(feature.unit), raw, points(feature, raw))
        for feature, raw in zip(FEATURES, row.features, strict=True)
    ]
    return sorted((one for one in found if one.points), key=lambda one: -(one.points or 0))


def _by_weight(row: CustomerRisk, model: RiskModel) -> list[Reason]:
    """What sets this customer above the average touch."""
    by_code = {weight["code"]: weight for weight in model.weights}
    found = []
    for feature, raw in zip(FEATURES, row.features, strict=True):
        weight = by_code[feature.code]
        pull = weight["weight"] * (taken(feature, raw) - weight["mean"]) / weight["sd"]
        if pull > 0:
            found.append((pull, Reason(str(feature.label), str(feature.unit), raw, None)))
    return [reason for _pull, reason in sorted(found, key=lambda pair: -pair[0])[:4]]
