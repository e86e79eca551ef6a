"""The index of one customer with its evidence, and who talks to whom."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from crm.customers.models import Customer
from crm.depth.scoring import RULES, WINDOW, Rule, index_of, points
from crm.shared.paging import Page, keyset_page
from crm.timeline.models import Fact
from crm.timeline.queries import KIND_IDS, entry_of

SILENCE = timedelta(hours=8)
"""Whoever breaks so long a silence begins a conversation."""

_COUNTS = """
select kind_id, count(*), count(distinct (at at time zone %(zone)s)::date), max(at)
from crm_fact
where customer_id = %(customer)s and kind_id = any(%(kinds)s)
    and at > %(since)s and at <= %(as_of)s
group by kind_id
"""

# A machine's words are nobody's: they neither begin a conversation nor count as ours.
_TALK = """
with talk as (
    select kind_id = %(received)s as by_customer,
        at - lag(at) over (partition by agent_id order by at, id) as silence
    from crm_fact
    where customer_id = %(customer)s and kind_id in (%(received)s, %(sent)s)
        and at > %(since)s and at <= %(as_of)s
        and not (kind_id = %(sent)s and properties @> '{"machine": true}')
)
select
    count(*) filter (where by_customer), count(*) filter (where not by_customer),
    count(*) filter (where by_customer and (silence is null or silence >= %(gap)s)),
    count(*) filter (where not by_customer and (silence is null or silence >= %(gap)s))
from talk
"""


@dataclass(frozen=True)
class Line:
    """One rule applied: how often, when last, and what that gives."""

    rule: Rule
    count: int
    last_at: datetime | None
    points: int

    @property
    def is_full(self) -> bool:
        """Whether more of the same would give nothing more."""
        return self.count > 0 and self.points == self.rule.most


@dataclass(frozen=True)
class Depth:
    """The index and everything that it is made of."""

    index: int
    lines: list[Line]
    as_of: datetime


@dataclass(frozen=True)
class Talk:
    """Messages and conversations of the window, by who sent or began them."""

    from_customer: int
    from_staff: int
    begun_by_customer: int
    begun_by_staff: int


def depth_of(customer: Customer, *, as_of: datetime) -> Depth:
    """The index as of an instant, in one statement."""
    values = _window(customer, as_of) | {
        "kinds": [KIND_IDS[rule.kind] for rule in RULES],
        "zone": settings.CORP_TIME_ZONE,
    }
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, values)
        found = {kind: (times, days, last) for kind, times, days, last in cursor.fetchall()}
    lines = []
    for rule in RULES:
        times, days, last = found.get(KIND_IDS[rule.kind], (0, 0, None))
        count = days if rule.by_day else times
        lines.append(Line(rule, count, last, points(rule, count)))
    return Depth(index_of({line.rule.code: line.count for line in lines}), lines, as_of)


def evidence(
    user: Any, customer: Customer, rule: Rule, *, as_of: datetime, params: Mapping[str, str]
) -> Page:
    """The events of a rule's points, newest first, within the user's scope."""
    facts = Fact.objects.for_user(user).filter(
        customer=customer, kind_id=KIND_IDS[rule.kind], at__gt=as_of - WINDOW, at__lte=as_of
    )
    facts = facts.select_related("kind", "agent", "group", "channel", "order")
    page = keyset_page(facts, order=("-at",), params=params, size=30)
    return Page(
        [entry_of(f) for f in page.rows], page.after, page.before, page.total, page.is_exact
    )


def talk_of(customer: Customer, *, as_of: datetime) -> Talk:
    """Who wrote how much, and who began."""
    values = _window(customer, as_of) | {
        "received": KIND_IDS["message_received"],
        "sent": KIND_IDS["message_sent"],
        "gap": SILENCE,
    }
    with connection.cursor() as cursor:
        cursor.execute(_TALK, values)
        return Talk(*cursor.fetchone())


def _window(customer: Customer, as_of: datetime) -> dict[str, Any]:
    return {"customer": customer.pk, "since": as_of - WINDOW, "as_of": as_of}
