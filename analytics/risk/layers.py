"""Who is at risk, by value layer, and what is at stake."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Max
from django.utils.translation import gettext as _

from analytics.figures.scope import scope_sql
from analytics.rfm.layers import LAYERS, RfmQuestion, layers_sql, rule_at
from analytics.rfm.words import LAYER_LABELS
from crm.agents.models import User
from crm.risk.models import CustomerRisk
from crm.shared.times import local_day

BANDS = tuple(CustomerRisk.Band.values)
YEAR = timedelta(days=365)

# Value: what was paid in the last 365 days stands for what a year with the customer is worth.
_CELLS = """
with layered as ({layers}), paid as (
    select customer_id, sum(amount_cents) as cents from crm_order
    where status in ('paid', 'completed') and paid_at > %(risk_since)s and paid_at <= %(risk_now)s
    group by customer_id
)
select layered.layer, risk.band, count(*), sum(risk.probability),
    coalesce(sum(paid.cents), 0)::bigint, round(sum(risk.probability * coalesce(paid.cents, 0)))
from crm_customerrisk risk
join layered on layered.customer_id = risk.customer_id
left join paid on paid.customer_id = risk.customer_id
where {scope}
group by layered.layer, risk.band
"""
_PEOPLE = """
with layered as ({layers})
select risk.customer_id from crm_customerrisk risk
join layered on layered.customer_id = risk.customer_id
where {scope} and (%(risk_layer)s = '' or layered.layer = %(risk_layer)s)
    and (%(risk_band)s = '' or risk.band = %(risk_band)s)
order by risk.customer_id
"""


@dataclass(frozen=True)
class Line:
    """One layer: people by band, deletions to expect of one touch each, money in cents.

    ``expected`` and ``at_risk_cents`` are None where no trusted model stands.
    """

    layer: str
    label: str
    bands: dict[str, int]
    expected: float | None
    paid_cents: int
    high_cents: int
    at_risk_cents: int | None

    @property
    def people(self) -> int:
        return sum(self.bands.values())


def lines(*, user: User, now: datetime) -> tuple[list[Line], Line]:
    """Layers, best first, and their sum, within the user's scope."""
    scope, values = scope_sql(user, "risk.customer_id")
    layers, named = _layers(now)
    values |= named | {"risk_since": now - YEAR, "risk_now": now}
    with connection.cursor() as cursor:
        cursor.execute(_CELLS.format(layers=layers, scope=scope), values)
        rows = cursor.fetchall()
    found = [_line(layer, str(LAYER_LABELS[layer]), rows) for layer in LAYERS]
    return found, _line("", _("合计"), rows)


def people(*, user: User, now: datetime, layer: str = "", band: str = "") -> list[int]:
    """Ids of the customers of a cell, a row or a column."""
    scope, values = scope_sql(user, "risk.customer_id")
    layers, named = _layers(now)
    values |= named | {"risk_layer": layer, "risk_band": band}
    with connection.cursor() as cursor:
        cursor.execute(_PEOPLE.format(layers=layers, scope=scope), values)
        return [pk for (pk,) in cursor.fetchall()]


def data_time() -> datetime | None:
    """As of when the scores are."""
    return CustomerRisk.unsafe_all.aggregate(at=Max("as_of"))["at"]


def _layers(now: datetime) -> tuple[str, dict[str, Any]]:
    today = local_day(now)
    return layers_sql(RfmQuestion(today, cut="rule" if rule_at(today) else "mean"))


def _line(layer: str, label: str, rows: list[tuple]) -> Line:
    mine = [row for row in rows if layer in ("", row[0])]
    is_scored = bool(rows) and all(row[3] is not None for row in rows)
    return Line(
        layer=layer,
        label=label,
        bands={band: sum(row[2] for row in mine if row[1] == band) for band in BANDS},
        expected=float(sum(row[3] for row in mine)) if is_scored else None,
        paid_cents=int(sum(row[4] for row in mine)),
        high_cents=int(sum(row[4] for row in mine if row[1] == "high")),
        at_risk_cents=int(sum(row[5] for row in mine)) if is_scored else None,
    )
