"""What a customer row says beyond identity, recomputed from relations, groups and facts.

Set-based: one statement over any number of customers, and only rows that differ are written.
"""

from collections.abc import Iterable
from datetime import datetime

from django.conf import settings
from django.db import connection, transaction

_REFRESH = """
with wanted as (
    select id from crm_customer
    where %(all)s or id = any(%(ids)s::bigint[])
    order by id
    for no key update
), derived as (
    select w.id, contact.is_friend, least(contact.first_added, added.first_at) as friend_since,
           contact.channel_id, contact.last_synced, tags.ids as tag_ids, stays.n as group_count,
           message.last_at as last_message_at, happened.first_at, happened.last_at
    from wanted w
    cross join lateral (
        select coalesce(bool_or(c.status = 'active'), false) as is_friend,
               min(c.added_at) as first_added, max(c.synced_at) as last_synced,
               (array_agg(c.channel_id order by c.added_at, c.id)
                   filter (where c.channel_id is not null))[1] as channel_id
        from crm_contact c where c.customer_id = w.id
    ) contact
    cross join lateral (
        select coalesce(array_agg(distinct t.id::integer order by t.id::integer), '{}') as ids
        from crm_contact c
        join crm_contact_tags ct on ct.contact_id = c.id
        join crm_tag t on t.id = ct.tag_id and not t.is_deleted
        where c.customer_id = w.id
    ) tags
    cross join lateral (
        select count(distinct m.group_id)::integer as n
        from crm_membership m
        join crm_group g on g.id = m.group_id and g.dismissed_at is null
        where m.customer_id = w.id and m.left_at is null
    ) stays
    cross join lateral (
        select min(f.at) as first_at
        from crm_fact f join crm_factkind k on k.id = f.kind_id
        where f.customer_id = w.id and k.code = 'friend_added'
    ) added
    cross join lateral (
        select max(f.at) as last_at
        from crm_fact f join crm_factkind k on k.id = f.kind_id
        where f.customer_id = w.id and k.code = 'message_received'
    ) message
    cross join lateral (
        select min(f.at) as first_at, max(f.at) as last_at
        from crm_fact f where f.customer_id = w.id and f.source <> 'derived'
    ) happened
)
update crm_customer c
set is_friend = d.is_friend,
    friend_since = d.friend_since,
    channel_id = coalesce(d.channel_id, c.channel_id),
    tag_ids = d.tag_ids,
    group_count = d.group_count,
    last_message_at = d.last_message_at,
    last_fact_at = d.last_at,
    known_since = least(c.known_since, d.first_at),
    updated_at = %(now)s
from derived d
where c.id = d.id
  and (c.is_friend, c.friend_since, c.channel_id, c.tag_ids, c.group_count, c.last_message_at,
       c.last_fact_at, c.known_since)
      is distinct from
      (d.is_friend, d.friend_since, coalesce(d.channel_id, c.channel_id), d.tag_ids, d.group_count,
       d.last_message_at, d.last_at, least(c.known_since, d.first_at))
"""

_STAGES = """
with buying as (
    -- Order days: local days with a payment that was not given back.
    select paid.customer_id, count(distinct (paid.at at time zone %(zone)s)::date) as days,
           max(paid.at) as last_at
    from crm_fact paid
    join crm_factkind k on k.id = paid.kind_id and k.code = 'order_paid'
    where (%(all)s or paid.customer_id = any(%(ids)s::bigint[]))
      and not exists (
        select 1 from crm_fact back
        join crm_factkind b on b.id = back.kind_id and b.code = 'order_refunded'
        where back.customer_id = paid.customer_id and back.order_id = paid.order_id)
    group by paid.customer_id
), staged as (
    select c.id,
           case
               when not c.is_friend and c.friend_since is not null then 'win_back'
               when b.days > 0 and greatest(b.last_at, c.last_message_at)
                    < %(now)s - interval '120 days' then 'fatigue'
               when b.days >= 2 then 'warmth'
               when b.days = 1 and b.last_at >= %(now)s - interval '30 days' then 'warmth'
               when b.days = 1 then 'familiarity'
               when c.friend_since < %(now)s - interval '30 days' then 'familiarity'
               else 'acquaintance'
           end as stage
    from crm_customer c
    left join buying b on b.customer_id = c.id
    where %(all)s or c.id = any(%(ids)s::bigint[])
)
update crm_customer c
set stage = s.stage, stage_since = %(now)s, updated_at = %(now)s
from staged s
where c.id = s.id and (c.stage <> s.stage or c.stage_since is null)
"""


def refresh_customers(
    customer_ids: Iterable[int] | None = None, now: datetime | None = None
) -> int:
    """Recompute friendship, channel, tags, groups and last times; returns how many rows changed.

    ``customer_ids`` None means everybody. Joins the caller's transaction.
    """
    return _run(_REFRESH, customer_ids, now)


def recompute_stages(customer_ids: Iterable[int] | None = None, now: datetime | None = None) -> int:
    """Put customers into their life stage (生命周期); returns how many changed.

    The published rule, first match wins: **win-back** (挽回) was a friend and is none now;
    **fatigue** (倦怠) has bought and neither bought nor written for 120 days; **warmth** (保温) has
    bought on two days or more, or on one within 30 days; **familiarity** (相知) has bought on one
    day, or is a friend for more than 30 days without an order; **acquaintance** (相识) everybody
    else. Days are the corporation's; refunded orders do not count.
    """
    return _run(_STAGES, customer_ids, now)


def _run(statement: str, customer_ids: Iterable[int] | None, now: datetime | None) -> int:
    values = {
        "all": customer_ids is None,
        "ids": sorted(set(customer_ids)) if customer_ids is not None else [],
        "now": now,
        "zone": settings.CORP_TIME_ZONE,
    }
    if not values["all"] and not values["ids"]:
        return 0
    with transaction.atomic(), connection.cursor() as cursor:
        if now is None:
            cursor.execute("select now()")
            values["now"] = cursor.fetchone()[0]
        cursor.execute(statement, values)
        return cursor.rowcount
