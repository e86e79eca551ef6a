"""The question, the cuts, and everybody's layer, in SQL.

R: whole local days since the last day with a paid order; F: local days with paid orders; M: what
was paid, refunded orders out; all within the window that ends with the day asked for. Score =
1 + floor(5 · strictly worse / n), so equal values share one (analytics-methods, section 4).
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext as _

from analytics.figures.scope import scope_sql
from analytics.rfm.models import CODE, RfmRule
from crm.agents.models import User
from crm.shared.errors import DomainError
from crm.shared.times import day_end, day_start, local_day

DEFINITION_VERSION = 1
WINDOWS = (90, 180, 365, 730)
NONE = "none"
LAYERS = ("111", "011", "101", "001", "110", "010", "100", "000", NONE)
FIELDS = ("r", "f", "m")


class RfmRefused(DomainError):
    """The question cannot be answered; names the field."""


@dataclass(frozen=True)
class RfmQuestion:
    """The layers at the end of ``on``, over ``days`` days; ``cut`` is mean or rule."""

    on: date
    days: int = 365
    cut: str = "mean"

    def check(self, now: datetime) -> None:
        """Raise RfmRefused for what has no answer."""
        if self.on > local_day(now):
            raise RfmRefused(_("日期不能晚于今天"), field="on")
        if self.days not in WINDOWS:
            raise RfmRefused(_("请选择列出的窗口"), field="days")
        if self.cut not in ("mean", "rule"):
            raise RfmRefused(_("请选择按均值或按规则划分"), field="cut")
        if self.cut == "rule" and rule_at(self.on) is None:
            raise RfmRefused(
                _("那一天没有生效的分层规则；改按均值，或先在系统配置里设定"), field="cut"
            )

    def as_json(self) -> dict[str, Any]:
        return {"on": self.on.isoformat(), "days": self.days, "cut": self.cut}


@dataclass(frozen=True)
class Cuts:
    """Where the layers are cut; ``version`` that of the rule, None for the mean."""

    recency_days: float
    order_days: float
    money_cents: float
    buyers: int
    version: int | None = None


_BUYERS = """
    select o.customer_id,
        %(on)s::date - max((o.paid_at at time zone %(zone)s)::date) as r,
        count(distinct (o.paid_at at time zone %(zone)s)::date) as f,
        sum(o.amount_cents) as m
    from public.crm_order o
    where o.status in ('paid', 'completed') and o.paid_at >= %(start)s and o.paid_at < %(end)s
    group by o.customer_id
"""
_MEANS = "select avg(r), avg(f), avg(m), count(*) from ({buyers}) buyers"
_LAYERED = """
    select cu.id as customer_id, cu.stage, buyers.r, buyers.f, buyers.m,
        case when buyers.customer_id is null then 'none' else
            (buyers.r <= %(cut_r)s)::int::text || (buyers.f >= %(cut_f)s)::int::text
            || (buyers.m >= %(cut_m)s)::int::text end as layer
    from public.crm_customer cu
    left join ({buyers}) buyers on buyers.customer_id = cu.id
    where cu.known_since < %(end)s or cu.known_since is null
"""
_CELLS = """
select layered.layer, layered.stage, count(*), coalesce(sum(layered.m), 0)
from ({layered}) layered
where {scope}
group by layered.layer, layered.stage
"""
_PEOPLE = """
select layered.customer_id from ({layered}) layered
where {scope} and (%(layer)s = '' or layered.layer = %(layer)s)
  and (%(stage)s = '' or layered.stage = %(stage)s)
order by layered.customer_id
"""
_OF_EVERYBODY = "select customer_id, layer from ({layered}) layered"
# Strictly worse: longer ago, fewer, less.
_SCORES = """
with buyers as ({buyers}), scored as (
    select customer_id,
        1 + (5 * (rank() over (order by r desc) - 1)) / (select count(*) from buyers) as r,
        1 + (5 * (rank() over (order by f) - 1)) / (select count(*) from buyers) as f,
        1 + (5 * (rank() over (order by m) - 1)) / (select count(*) from buyers) as m
    from buyers
)
select {wanted} from scored where {scope}
"""


def rule_at(day: date) -> RfmRule | None:
    """The rule in force at the end of a day."""
    return RfmRule.in_force(day_end(day) - timedelta(microseconds=1)).get(CODE)


def cuts_of(question: RfmQuestion) -> Cuts:
    """The cuts of the whole company, at its mean or by the rule in force on the day."""
    with connection.cursor() as cursor:
        cursor.execute(_MEANS.format(buyers=_BUYERS), _window(question))
        r, f, m, buyers = cursor.fetchone()
    if question.cut == "rule" and (rule := rule_at(question.on)):
        cuts = (rule.recency_days, rule.order_days, rule.money_cents)
        return Cuts(*map(float, cuts), buyers, rule.version)
    return Cuts(float(r or 0), float(f or 0), float(m or 0), buyers)


def cells(question: RfmQuestion, *, user: User) -> dict[tuple[str, str], tuple[int, int]]:
    """(layer, stage) → customers in scope and what they paid in the window, in cents."""
    scope, values = scope_sql(user, "layered.customer_id")
    statement = _CELLS.format(layered=_LAYERED.format(buyers=_BUYERS), scope=scope)
    with connection.cursor() as cursor:
        cursor.execute(statement, _values(question) | values)
        return {(layer, stage): (n, int(m)) for layer, stage, n, m in cursor.fetchall()}


def people(question: RfmQuestion, *, user: User, layer: str = "", stage: str = "") -> list[int]:
    """Ids of the customers of a cell, a row or a column."""
    scope, values = scope_sql(user, "layered.customer_id")
    statement = _PEOPLE.format(layered=_LAYERED.format(buyers=_BUYERS), scope=scope)
    values |= {"layer": layer, "stage": stage}
    with connection.cursor() as cursor:
        cursor.execute(statement, _values(question) | values)
        return [pk for (pk,) in cursor.fetchall()]


def layers_sql(question: RfmQuestion) -> tuple[str, dict[str, Any]]:
    """A query of customer_id and layer of everybody, with its values."""
    statement = _OF_EVERYBODY.format(layered=_LAYERED.format(buyers=_BUYERS))
    return statement, _values(question)


def score_counts(question: RfmQuestion, *, user: User) -> dict[str, dict[int, int]]:
    """Per measure how many buyers in scope have each score; scores are the whole company's."""
    counts: dict[str, dict[int, int]] = {name: dict.fromkeys(range(1, 6), 0) for name in FIELDS}
    scope, values = scope_sql(user, "customer_id")
    wanted = "r, f, m, count(*)"
    statement = _SCORES.format(buyers=_BUYERS, wanted=wanted, scope=scope) + " group by r, f, m"
    with connection.cursor() as cursor:
        cursor.execute(statement, _window(question) | values)
        for *scores, n in cursor.fetchall():
            for name, score in zip(FIELDS, scores, strict=True):
                counts[name][score] += n
    return counts


def scores_of(question: RfmQuestion, *, user: User) -> dict[int, tuple[int, int, int]]:
    """Everybody's three scores; for files and tests."""
    scope, values = scope_sql(user, "customer_id")
    statement = _SCORES.format(buyers=_BUYERS, wanted="customer_id, r, f, m", scope=scope)
    with connection.cursor() as cursor:
        cursor.execute(statement, _window(question) | values)
        return {pk: (r, f, m) for pk, r, f, m in cursor.fetchall()}


def people_scored(question: RfmQuestion, *, user: User, field: str, score: int) -> list[int]:
    """Ids of the buyers in scope who have a score in one measure."""
    scope, values = scope_sql(user, "customer_id")
    wanted = {"r": "r", "f": "f", "m": "m"}[field]
    statement = _SCORES.format(
        buyers=_BUYERS,
        wanted="customer_id",
        scope=f"{scope} and {wanted} = %(score)s order by customer_id",
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, _window(question) | values | {"score": score})
        return [pk for (pk,) in cursor.fetchall()]


def _window(question: RfmQuestion) -> dict[str, Any]:
    return {
        "on": question.on,
        "zone": settings.CORP_TIME_ZONE,
        "start": day_start(question.on - timedelta(days=question.days - 1)),
        "end": day_end(question.on),
    }


def _values(question: RfmQuestion) -> dict[str, Any]:
    cuts = cuts_of(question)
    named = {"cut_r": cuts.recency_days, "cut_f": cuts.order_days, "cut_m": cuts.money_cents}
    return _window(question) | named
