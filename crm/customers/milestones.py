"""Facts that become true by time passing: retained and active.

Appended once under a stable key, from facts alone, so that imported history counts like our own.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction

# How far back the regular run looks; imports name their customers instead.
LOOK_BACK = timedelta(days=3)

_RETAINED = """
insert into crm_fact (customer_id, kind_id, at, recorded_at, agent_id, group_id, channel_id,
                      order_id, amount_cents, source, source_key, properties)
select added.customer_id, retained.id, added.at + interval '7 days', %(now)s, added.agent_id, null,
       added.channel_id, null, null, 'derived',
       'retained:' || added.customer_id || ':' || coalesce(added.agent_id, 0) || ':'
           || extract(epoch from added.at)::bigint,
       '{}'::jsonb
from crm_fact added
join crm_factkind k on k.id = added.kind_id and k.code = 'friend_added'
join crm_factkind retained on retained.code = 'retained'
where added.at <= %(now)s - interval '7 days'
  and added.at > %(since)s - interval '7 days'
  and (%(all)s or added.customer_id = any(%(ids)s::bigint[]))
  and not exists (
    select 1 from crm_fact ended
    join crm_factkind e on e.id = ended.kind_id
     and e.code in ('friend_deleted_by_customer', 'friend_deleted_by_agent', 'friend_transferred')
    where ended.customer_id = added.customer_id
      and (ended.agent_id = added.agent_id or ended.agent_id is null or added.agent_id is null)
      and ended.at >= added.at and ended.at < added.at + interval '7 days')
order by added.id
on conflict (source, source_key) do nothing
"""

_ACTIVE = """
insert into crm_fact (customer_id, kind_id, at, recorded_at, agent_id, group_id, channel_id,
                      order_id, amount_cents, source, source_key, properties)
with days as (
    select distinct on (f.customer_id, (f.at at time zone %(zone)s)::date)
           f.customer_id, (f.at at time zone %(zone)s)::date as day, f.at, f.agent_id
    from crm_fact f
    join crm_factkind k on k.id = f.kind_id and k.code = 'message_received'
    where f.at <= %(now)s
      and f.at > %(since)s - interval '8 days'
      and (%(all)s or f.customer_id = any(%(ids)s::bigint[]))
    order by f.customer_id, (f.at at time zone %(zone)s)::date, f.at, f.id
), paired as (
    select *, lag(day) over (partition by customer_id order by day) as before from days
)
select p.customer_id, active.id, p.at, %(now)s, p.agent_id, null, null, null, null, 'derived',
       'active:' || p.customer_id || ':' || p.day, '{}'::jsonb
from paired p
join crm_factkind active on active.code = 'active'
where p.day - p.before <= 6 and p.at > %(since)s
order by p.customer_id, p.day
on conflict (source, source_key) do nothing
"""

_EVER = datetime.fromisoformat("1990-01-01T00:00:00+00:00")


def record_milestones(
    now: datetime,
    customer_ids: Iterable[int] | None = None,
    *,
    since: datetime | None = None,
) -> int:
    """Append the milestones reached by ``now``; returns how many were new.

    *Retained*: seven days after ``friend_added`` the relation had not ended. *Active*: a day on
    which the customer wrote, having written on another of the six days before; at that day's first
    message. ``since`` limits the search to milestones after an instant.
    """
    values = {
        "now": now,
        "since": since or _EVER,
        "all": customer_ids is None,
        "ids": sorted(set(customer_ids)) if customer_ids is not None else [],
        "zone": settings.CORP_TIME_ZONE,
    }
    if not values["all"] and not values["ids"]:
        return 0
    with transaction.atomic(), connection.cursor() as cursor:
        # Named dates in strings would follow the session's style.
        cursor.execute("set local datestyle to iso")
        cursor.execute(_RETAINED, values)
        added = cursor.rowcount
        cursor.execute(_ACTIVE, values)
        return added + cursor.rowcount
