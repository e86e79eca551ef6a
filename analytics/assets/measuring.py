"""Counting values, their age, consents and history, in two statements."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from analytics.events.budget import whole_budget
from analytics.figures.lasting import lasting
from analytics.figures.scope import scope_sql
from analytics.segments.models import Segment
from analytics.segments.parsing import rule_from
from analytics.segments.queries import answer
from crm.agents.models import User
from crm.fields.queries import active_fields
from crm.shared.errors import DomainError

DEFINITION_VERSION = 1
HISTORY = timedelta(days=365)
OWN = "field."


class AssetRefused(DomainError):
    """The question cannot be answered; names the field."""


@dataclass(frozen=True)
class Asset:
    """One thing that may be known of a customer; ``holds`` is SQL over ``c``, a customer's row.

    ``attribute`` names it among changes; without one it has no age.
    """

    code: str
    label: str | Promise
    holds: str
    attribute: str = ""


ASSETS = (
    Asset("phone", _("手机号"), "c.phone <> ''", "phone"),
    Asset("city", _("城市"), "c.city <> ''", "city"),
    Asset("birthday", _("生日"), "c.birthday is not null", "birthday"),
    Asset("gender", _("性别"), "c.gender <> 0", "gender"),
    Asset("channel", _("来源渠道"), "c.channel_id is not null", "channel"),
    Asset("number", _("客户编号"), "c.customer_no is not null", "customer_no"),
    Asset("unionid", _("unionid"), "c.unionid is not null"),
    Asset(
        "consent",
        _("同意会话存档"),
        "exists (select from crm_archiveconsent a where a.customer_id = c.id and a.agreed)",
    ),
    Asset(
        "marketing",
        _("愿意接收营销"),
        "not exists (select from crm_optout o where o.customer_id = c.id)",
    ),
    Asset("history", _("近一年有动态"), "c.last_fact_at > %(year)s"),
)

_DATED = [asset for asset in ASSETS if asset.attribute]
_CHANGES = """
select customer_id, {latest}
from crm_attributechange where attribute = any(%(attributes)s) group by customer_id
"""
_MEASURE = """
select count(*), {parts},
    percentile_disc(0.5) within group (order by c.known_since)
from crm_customer c left join ({changes}) said on said.customer_id = c.id
where {scope} and (%(everybody)s or c.id = any(%(ids)s::bigint[]))
"""
_OWN = """
select v.field_id, count(*), percentile_disc(0.5) within group (order by v.said_at)
from crm_fieldvalue v join crm_customer c on c.id = v.customer_id
where {scope} and (%(everybody)s or c.id = any(%(ids)s::bigint[]))
group by v.field_id
"""
_PEOPLE = """
select c.id from crm_customer c
where {scope} and (%(everybody)s or c.id = any(%(ids)s::bigint[])) and {wanted}
order by c.id
"""


@dataclass(frozen=True)
class Line:
    """One asset measured; half of the values are younger than ``median_at``."""

    code: str
    label: str
    held: int
    lacking: int
    median_at: datetime | None

    @property
    def share(self) -> float | None:
        """Of all customers asked about, how many have it."""
        total = self.held + self.lacking
        return self.held / total if total else None


@dataclass(frozen=True)
class Assets:
    """Everything measured, of how many customers, and since when half of them are known."""

    customers: int
    lines: list[Line]
    known_since: datetime | None
    data_time: datetime


def measure(user: User, segment: Segment | None, *, now: datetime) -> Assets:
    """The assets of everybody in scope, or of those of a segment."""
    asked = {"segment": segment.pk, "rule": segment.rule} if segment else {}

    def ask() -> Assets:
        with whole_budget():
            return _measure(user, segment, now)

    return lasting("assets", asked, user=user, ask=ask)


def _measure(user: User, segment: Segment | None, now: datetime) -> Assets:
    values, scope = _values(user, segment, now)
    parts = []
    for asset in ASSETS:
        parts.append(f"count(*) filter (where {asset.holds})")
        parts.append(
            f"percentile_disc(0.5) within group (order by coalesce(said.{asset.code},"
            f" c.known_since)) filter (where {asset.holds})"
            if asset.attribute
            else "null"
        )
    latest = ", ".join(
        f"max(at) filter (where attribute = '{asset.attribute}') as {asset.code}"
        for asset in _DATED
    )
    statement = _MEASURE.format(
        parts=", ".join(parts), changes=_CHANGES.format(latest=latest), scope=scope
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        total, *told, known_since = cursor.fetchone()
        cursor.execute(_OWN.format(scope=scope), values)
        own = {pk: (n, at) for pk, n, at in cursor.fetchall()}
    lines = [
        Line(asset.code, str(asset.label), told[2 * n], total - told[2 * n], told[2 * n + 1])
        for n, asset in enumerate(ASSETS)
    ]
    for field in active_fields():
        held, at = own.get(field.pk, (0, None))
        lines.append(Line(OWN + field.key, field.label, held, total - held, at))
    return Assets(total, lines, known_since, now)


def people(user: User, segment: Segment | None, code: str, *, held: bool) -> list[int]:
    """Ids of those who have it, or who lack it; raises AssetRefused for what is no asset."""
    values, scope = _values(user, segment, timezone.now())
    wanted = _holds(code, values)
    if not held:
        wanted = f"not ({wanted})"
    with connection.cursor() as cursor:
        cursor.execute(_PEOPLE.format(scope=scope, wanted=wanted), values)
        return [pk for (pk,) in cursor.fetchall()]


def label_of(code: str) -> str:
    """The name of an asset; raises AssetRefused for none."""
    for asset in ASSETS:
        if asset.code == code:
            return str(asset.label)
    for field in active_fields():
        if OWN + field.key == code:
            return field.label
    raise AssetRefused(_("没有这个字段，请从报表页点开"), field="field")


def _holds(code: str, values: dict[str, Any]) -> str:
    for asset in ASSETS:
        if asset.code == code:
            return f"coalesce({asset.holds}, false)"
    label_of(code)
    values["key"] = code.removeprefix(OWN)
    return (
        "exists (select from crm_fieldvalue v join crm_field f on f.id = v.field_id"
        " where v.customer_id = c.id and f.key = %(key)s)"
    )


def _values(user: User, segment: Segment | None, now: datetime) -> tuple[dict[str, Any], str]:
    scope, named = scope_sql(user, "c.id")
    ids: list[int] = []
    if segment is not None:
        ids = list(answer(rule_from(segment.rule), user=user).bits)
    values = named | {
        "everybody": segment is None,
        "ids": ids,
        "year": now - HISTORY,
        "attributes": [asset.attribute for asset in _DATED],
    }
    return values, scope
