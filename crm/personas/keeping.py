"""Working personas out, set-based, for everybody or for those to whom something happened."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from crm.personas.models import CustomerPersona, PersonaCuts
from crm.personas.scoring import CODES, FEATURES, LEAST, WINDOW, Persona
from crm.shared.times import day_end, local_day
from crm.timeline.queries import KIND_IDS

_PER_DAY = "amount_cents / greatest(1, coalesce(end_on - start_on + 1, 1))"
_CUTS = """
select coalesce(percentile_disc(0.25) within group (order by {per_day}), 0),
    coalesce(percentile_disc(0.75) within group (order by {per_day}), 0), count(*)
from crm_order
where status in ('paid', 'completed') and paid_at > %(since)s and paid_at <= %(until)s
"""

# Each part has a row only for whom it concerns; nobody without any of them gets one.
_COUNTS = """
with bought as (
    select customer_id,
        count(*) filter (where {per_day} <= %(low)s and {per_day} < %(high)s) as cheap,
        count(*) filter (where {per_day} >= %(high)s and {per_day} > %(low)s) as dear,
        sum(amount_cents) / 500000 as spent
    from crm_order
    where status in ('paid', 'completed') and paid_at > %(since)s and paid_at <= %(until)s
        and (%(all)s or customer_id = any(%(ids)s::bigint[]))
    group by customer_id
), did as (
    select customer_id,
        count(*) filter (where kind_id = %(liked)s) as liked,
        count(*) filter (where kind_id = %(commented)s) as commented,
        count(*) filter (where kind_id = %(viewed)s) as viewed,
        count(distinct (at at time zone %(zone)s)::date) filter (where kind_id = %(viewed)s)
            as compared
    from crm_fact
    where kind_id in (%(liked)s, %(commented)s, %(viewed)s)
        and at > %(since)s and at <= %(until)s
        and (%(all)s or customer_id = any(%(ids)s::bigint[]))
    group by customer_id
), brought as (
    select who.id as customer_id, count(*) as invited
    from crm_customer who
    join crm_membership stay on stay.invited_by = who.external_userid
    where who.external_userid is not null and stay.invited_by <> ''
        and stay.joined_at > %(since)s and stay.joined_at <= %(until)s
        and (%(all)s or who.id = any(%(ids)s::bigint[]))
    group by who.id
), counted as (
    select customer_id, array[{counts}]::int[] as counts
    from bought full join did using (customer_id) full join brought using (customer_id)
), scored as (
    select customer_id, counts, array[{scores}]::int[] as scores from counted
)
select customer_id, counts,
    case when (select max(s) from unnest(scores) s) < %(least)s then ''
         else (%(personas)s::text[])[
            array_position(scores, (select max(s) from unnest(scores) s))] end as persona
from scored
"""

_KEEP = """
insert into crm_customerpersona as kept (customer_id, persona, counts, cuts_id, as_of)
select customer_id, persona, counts, %(cuts)s, %(until)s from ({counted}) found
order by customer_id
on conflict (customer_id) do update
set persona = excluded.persona, counts = excluded.counts, cuts_id = excluded.cuts_id,
    as_of = excluded.as_of
where kept.as_of <= excluded.as_of
"""
_DROP = """
delete from crm_customerpersona
where as_of < %(until)s and (%(all)s or customer_id = any(%(ids)s::bigint[]))
"""
_CHANGED = """
select distinct customer_id from crm_fact
where kind_id = any(%(kinds)s) and at > %(since)s and at <= %(until)s
"""
_MOVING = ("order_paid", "order_refunded", "moment_liked", "moment_commented", "route_viewed")


def cuts_of(now: datetime) -> PersonaCuts:
    """The prices of the year that ended yesterday: the same for everybody all day."""
    day = local_day(now) - timedelta(days=1)
    if found := PersonaCuts.objects.filter(day=day).first():
        return found
    until = day_end(day)
    with connection.cursor() as cursor:
        cursor.execute(_CUTS.format(per_day=_PER_DAY), {"since": until - WINDOW, "until": until})
        low, high, orders = cursor.fetchone()
    made = {"low_cents": low, "high_cents": high, "orders": orders}
    return PersonaCuts.objects.get_or_create(day=day, defaults=made)[0]


def keep_personas(*, now: datetime, customer_ids: Sequence[int] | None = None) -> int:
    """Work out the personas of these customers, of everybody without ids; returns rows written."""
    cuts = cuts_of(now)
    values = _values(cuts, now) | {"all": customer_ids is None, "ids": list(customer_ids or ())}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_KEEP.format(counted=_counted()), values | {"cuts": cuts.pk})
        written = cursor.rowcount
        cursor.execute(_DROP, values)
    if customer_ids is None:
        _forget_cuts(cuts)
    return written


def keep_changed(*, now: datetime, since: datetime) -> int:
    """The same for those to whom something happened since then; the first time for everybody."""
    if not PersonaCuts.objects.exists():
        return keep_personas(now=now)
    values = {"kinds": [KIND_IDS[code] for code in _MOVING], "since": since, "until": now}
    with connection.cursor() as cursor:
        cursor.execute(_CHANGED, values)
        ids = [pk for (pk,) in cursor.fetchall()]
    return keep_personas(now=now, customer_ids=ids) if ids else 0


def _forget_cuts(standing: PersonaCuts) -> None:
    """Prices that no customer's row stands on any more."""
    in_use = CustomerPersona.unsafe_all.values("cuts_id")
    PersonaCuts.objects.filter(day__lt=standing.day).exclude(pk__in=in_use).delete()


def _counted() -> str:
    place = {code: f"counts[{n}]" for n, code in enumerate(CODES, 1)}
    scores = []
    for persona in Persona:
        parts = [
            f"least({feature.most}, {feature.each} * {place[feature.code]})"
            for feature in FEATURES
            if feature.persona is persona
        ]
        scores.append(" + ".join(parts))
    return _COUNTS.format(
        per_day=_PER_DAY,
        counts=", ".join(f"coalesce({code}, 0)" for code in CODES),
        scores=", ".join(scores),
    )


def _values(cuts: PersonaCuts, now: datetime) -> dict[str, Any]:
    return {
        "low": cuts.low_cents,
        "high": cuts.high_cents,
        "since": now - WINDOW,
        "until": now,
        "zone": settings.CORP_TIME_ZONE,
        "liked": KIND_IDS["moment_liked"],
        "commented": KIND_IDS["moment_commented"],
        "viewed": KIND_IDS["route_viewed"],
        "least": LEAST,
        "personas": [str(persona) for persona in Persona],
    }
