"""Finding reasons, one statement each, and settling those whose cause is gone.

The agent of a customer is the active one among their friends who talked with them last, as a mass
send would choose. ``key`` names an occurrence for ever.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction

from crm.followup.models import FollowUp
from crm.followup.scoring import OURS, WEIGHTS
from crm.shared.times import local_day
from crm.timeline.queries import KIND_IDS

Reason = FollowUp.Reason

_AGENT_OF = """
join lateral (
    select c.agent_id
    from crm_contact c join crm_agent a on a.id = c.agent_id and a.status = 'active'
    where c.customer_id = found.customer_id and c.status = 'active'
    order by (
        select max(f.at) from crm_fact f
        where f.customer_id = c.customer_id and f.agent_id = c.agent_id
          and f.kind_id in (%(received)s, %(sent)s) and f.at <= %(now)s
    ) desc nulls last, c.added_at desc, c.agent_id
    limit 1
) who on true
"""

# Days of the year within three days; what fell on 29 February is on the 28th of other years.
_NAMED_DAYS = """
select day, extract(month from day) as month, extract(day from day) as number
from generate_series(%(today)s::date, %(today)s::date + 3, interval '1 day') as day
union all
select day, 2, 29
from generate_series(%(today)s::date, %(today)s::date + 3, interval '1 day') as day
where to_char(day, 'MM-DD') = '02-28'
  and to_char(day + interval '1 day', 'MM-DD') <> '02-29'
"""

_BIRTHDAYS = """
select cu.id as customer_id, null::bigint as agent_id,
    'birthday:' || cu.id || ':' || extract(year from named.day)::int as key,
    '' as evidence, %(now)s::timestamptz as happened_at,
    (named.day::date + time '09:00') at time zone %(zone)s as due_at
from ({days}) named
join crm_customer cu on cu.birthday is not null
    and extract(month from cu.birthday) = named.month
    and extract(day from cu.birthday) = named.number
"""

# The years since a first day; {firsts} gives customer_id and the instant ``first``. One message for
# one date: of several reasons that fall on it the first in this list is named.
_YEARS_SINCE = """
select dated.customer_id, null::bigint as agent_id,
    '{reason}:' || dated.customer_id || ':' || extract(year from named.day)::int as key,
    dated.day::text as evidence, dated.first as happened_at,
    (named.day::date + time '09:00') at time zone %(zone)s as due_at
from ({days}) named
join (
    select customer_id, first, (first at time zone %(zone)s)::date as day from ({firsts}) firsts
) dated on extract(month from dated.day) = named.month
    and extract(day from dated.day) = named.number
    and extract(year from dated.day) < extract(year from named.day)
where not exists (
    select from crm_followup other where other.customer_id = dated.customer_id
      and other.reason in ('birthday', 'first_order')
      and (other.due_at at time zone %(zone)s)::date = named.day::date)
"""
_FIRST_ORDERS = """
select customer_id, min(paid_at) as first from crm_order
where status in ('paid', 'completed') group by customer_id
"""
_FRIENDS = """
select id as customer_id, friend_since as first from crm_customer
where is_friend and friend_since is not null
"""

# Each gives customer_id, agent_id (or null: the agent of the customer), key, evidence, happened_at
# and due_at.
_FOUND = {
    Reason.UNANSWERED: """
        select said.customer_id, said.agent_id,
            'unanswered:' || said.customer_id || ':' || said.agent_id || ':'
                || extract(epoch from said.since)::bigint as key,
            '' as evidence, said.since as happened_at, said.since + interval '1 hour' as due_at
        from (
            select f.customer_id, f.agent_id, min(f.at) as since
            from crm_fact f
            where f.kind_id = %(received)s and f.at > %(now)s - interval '7 days'
              and f.at <= %(now)s and f.agent_id is not null
              and not exists (
                select from crm_fact answer
                where answer.customer_id = f.customer_id and answer.agent_id = f.agent_id
                  and answer.kind_id = %(sent)s and answer.at >= f.at and answer.at <= %(now)s)
            group by f.customer_id, f.agent_id
        ) said
        join crm_contact c on c.customer_id = said.customer_id and c.agent_id = said.agent_id
            and c.status = 'active'
        join crm_agent a on a.id = said.agent_id and a.status = 'active'
    """,
    Reason.FIRST_TOUCH: """
        select c.customer_id, c.agent_id, 'first_touch:' || c.id || ':'
                || extract(epoch from c.added_at)::bigint as key,
            '' as evidence, c.added_at as happened_at, c.added_at + interval '2 hours' as due_at
        from crm_contact c join crm_agent a on a.id = c.agent_id and a.status = 'active'
        where c.status = 'active' and c.added_at > %(now)s - interval '3 days'
          and c.added_at <= %(now)s
          and not exists (
            select from crm_fact f
            where f.customer_id = c.customer_id and f.agent_id = c.agent_id
              and f.kind_id = %(sent)s and f.at >= c.added_at)
    """,
    Reason.DEPARTURE: """
        select o.customer_id, null::bigint as agent_id, 'departure:' || o.id || ':' || o.start_on
                as key,
            trim(o.destination || ' ' || o.start_on) as evidence, o.paid_at as happened_at,
            (o.start_on - 3 + time '09:00') at time zone %(zone)s as due_at
        from crm_order o
        where o.status in ('paid', 'completed')
          and o.start_on between %(today)s::date and %(today)s::date + 4
    """,
    Reason.RETURNED: """
        select o.customer_id, null::bigint as agent_id,
            'returned:' || o.id || ':' || o.end_on as key,
            trim(o.destination || ' ' || o.end_on) as evidence, o.paid_at as happened_at,
            (o.end_on + 1 + time '10:00') at time zone %(zone)s as due_at
        from crm_order o
        where o.status in ('paid', 'completed')
          and o.end_on between %(today)s::date - 7 and %(today)s::date
    """,
    Reason.AFTER_ORDER: """
        select o.customer_id, null::bigint as agent_id, 'after_order:' || o.id as key,
            trim(o.product || ' ' || o.order_no) as evidence, o.paid_at as happened_at,
            o.paid_at + interval '24 hours' as due_at
        from crm_order o
        where o.status in ('paid', 'completed') and o.paid_at > %(now)s - interval '7 days'
          and o.paid_at <= %(now)s
    """,
    Reason.NEED: """
        select seen.customer_id, null::bigint as agent_id, 'need:' || seen.customer_id || ':'
                || to_char(%(today)s::date, 'IYYY-IW') as key,
            seen.n || ' ×' as evidence, seen.last as happened_at,
            seen.last + interval '2 hours' as due_at
        from (
            select f.customer_id, count(*) as n, max(f.at) as last
            from crm_fact f
            where f.kind_id = %(viewed)s and f.at > %(now)s - interval '7 days' and f.at <= %(now)s
            group by f.customer_id having count(*) >= 2
        ) seen
        where not exists (
            select from crm_fact f where f.customer_id = seen.customer_id
              and f.kind_id = %(sent)s and f.at >= seen.last and f.at <= %(now)s)
    """,
    Reason.BIRTHDAY: _BIRTHDAYS.format(days=_NAMED_DAYS),
    Reason.FIRST_ORDER: _YEARS_SINCE.format(
        reason="first_order", days=_NAMED_DAYS, firsts=_FIRST_ORDERS
    ),
    Reason.ANNIVERSARY: _YEARS_SINCE.format(
        reason="anniversary", days=_NAMED_DAYS, firsts=_FRIENDS
    ),
    Reason.QUIET: """
        select cu.id as customer_id, null::bigint as agent_id,
            'quiet:' || cu.id || ':' || to_char(%(today)s::date, 'YYYY-"Q"Q') as key,
            '' as evidence, coalesce(cu.stage_since, %(now)s) as happened_at,
            %(now)s::timestamptz as due_at
        from crm_customer cu
        where cu.is_friend and cu.order_count > 0 and cu.stage in ('fatigue', 'win_back')
          and not exists (
            select from crm_fact f where f.customer_id = cu.id
              and f.kind_id in (%(received)s, %(sent)s) and f.at > %(now)s - interval '60 days')
    """,
}

# These look at every customer: once a day is enough.
SLOW = (Reason.QUIET, Reason.FIRST_ORDER, Reason.ANNIVERSARY)
QUICK = tuple(reason for reason in _FOUND if reason not in SLOW)

_RAISE = """
insert into crm_followup (customer_id, agent_id, reason, key, weight, evidence, happened_at, due_at,
                          state, note, raised_at)
select found.customer_id, coalesce(found.agent_id, {agent}), %(reason)s, found.key, %(weight)s,
       left(found.evidence, 128), found.happened_at, found.due_at, 'open', '', %(now)s
from ({found}) found
{who}
where not exists (select from crm_followup old where old.key = found.key)
  and (not %(ours)s or not exists (
    select from crm_optout o where o.customer_id = found.customer_id))
on conflict (key) do nothing
"""

# What has come to an end without anybody pressing a button.
_SETTLE = """
update crm_followup f set state = 'settled', ended_at = %(now)s
where f.state = 'open' and (
    not exists (
        select from crm_contact c where c.customer_id = f.customer_id
          and c.agent_id = f.agent_id and c.status = 'active')
    or (f.reason in ('unanswered', 'first_touch', 'need') and exists (
        select from crm_fact said where said.customer_id = f.customer_id
          and said.agent_id = f.agent_id and said.kind_id = %(sent)s
          and said.at >= f.happened_at and said.at <= %(now)s))
    or (f.reason = 'quiet' and exists (
        select from crm_fact said where said.customer_id = f.customer_id
          and said.kind_id in (%(received)s, %(sent)s) and said.at > f.raised_at))
    or (f.reason = any(%(our_reasons)s) and exists (
        select from crm_optout o where o.customer_id = f.customer_id))
    or (f.reason in ('departure', 'birthday', 'first_order', 'anniversary')
        and f.due_at < %(now)s - interval '4 days')
    or (f.reason in ('returned', 'after_order') and f.due_at < %(now)s - interval '14 days')
)
"""


def find_reasons(*, now: datetime, reasons: Iterable[str] = tuple(_FOUND)) -> int:
    """Raise what is new and settle what is over; returns how many were raised."""
    raised = 0
    for reason in reasons:
        with transaction.atomic():
            raised += _raise(reason, now)
    with connection.cursor() as cursor:
        cursor.execute(_SETTLE, _values(now))
    return raised


def _raise(reason: str, now: datetime) -> int:
    owns_agent = reason in (Reason.UNANSWERED, Reason.FIRST_TOUCH)
    statement = _RAISE.format(
        found=_FOUND[reason],
        agent="null" if owns_agent else "who.agent_id",
        who="" if owns_agent else _AGENT_OF,
    )
    values = _values(now) | {"reason": reason, "weight": WEIGHTS[reason], "ours": reason in OURS}
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.rowcount


def _values(now: datetime) -> dict:
    return {
        "now": now,
        "today": local_day(now),
        "zone": settings.CORP_TIME_ZONE,
        "received": KIND_IDS["message_received"],
        "sent": KIND_IDS["message_sent"],
        "viewed": KIND_IDS["route_viewed"],
        "our_reasons": list(OURS),
    }


def forget_old(*, now: datetime) -> int:
    """Delete what ended over a year and a half ago: no key of that age can come again."""
    gone, _per_model = FollowUp.unsafe_all.filter(ended_at__lt=now - timedelta(days=550)).delete()
    return gone
