"""What was known before an instant, of many customers at once."""

from typing import Any

from django.conf import settings

from crm.outreach.gate import TOUCHES
from crm.risk.features import AGENT_DAYS, FEATURES, WINDOW_DAYS
from crm.timeline.queries import KIND_IDS

# ``asked`` gives key, customer_id, agent_id and the instant ``at``. Everything lies strictly before
# it; what an agent lost counts up to the day before, which is cheap to add up by days. An agent's
# touches are counted as fifty more, so that the first deletion does not look like a habit.
_KNOWN = """
with asked as materialized ({asked}), agent_days as (
    select agent_id, day, sum(deleted) as deleted, sum(touched) as touched
    from (
        select agent_id, (at at time zone %(zone)s)::date as day, 1 as deleted, 0 as touched
        from crm_fact where kind_id = %(deleted)s and agent_id is not null
        union all
        select r.agent_id, slot.day, 0, 1
        from crm_sendslot slot join crm_massrecipient r on r.id = slot.recipient_id
        where slot.customer_id is not null
        union all
        select distinct agent_id, (at at time zone %(zone)s)::date, 0, 0 from asked
    ) happened
    group by agent_id, day
), agent_rates as (
    select agent_id, day,
        coalesce(sum(deleted) over before, 0) as deleted,
        coalesce(sum(touched) over before, 0) as touched
    from agent_days
    window before as (
        partition by agent_id order by day
        range between interval '{agent_days} days' preceding and interval '1 day' preceding
    )
)
select asked.key, asked.customer_id, asked.agent_id, asked.at,
    least(365, extract(epoch from asked.at - coalesce(told.spoke_at, friends.since)) / 86400)
        ::float as silent_days,
    touched.unanswered::float as unanswered,
    coalesce(100.0 * touched.promotional / nullif(touched.n, 0), 0)::float as promo_share,
    told.orders::float as orders,
    least(730, extract(epoch from asked.at - friends.since) / 86400)::float as friend_days,
    told.deletions::float as came_back,
    (100.0 * agent_rates.deleted / (agent_rates.touched + 50))::float as agent_rate
from asked
cross join lateral (
    select max(f.at) filter (where f.kind_id = %(received)s) as spoke_at,
        max(f.at) filter (where f.kind_id = %(added)s and f.agent_id = asked.agent_id) as added_at,
        count(*) filter (where f.kind_id = %(paid)s) as orders,
        count(*) filter (where f.kind_id = %(deleted)s) as deletions
    from crm_fact f
    where f.customer_id = asked.customer_id and f.at < asked.at
        and f.kind_id in (%(received)s, %(added)s, %(paid)s, %(deleted)s)
) told
cross join lateral (
    select coalesce(told.added_at, (
        select c.added_at from crm_contact c
        where c.customer_id = asked.customer_id and c.agent_id = asked.agent_id
            and c.added_at < asked.at
    ), asked.at - interval '730 days') as since
) friends
cross join lateral (
    select count(*) as n, count(*) filter (where touch.content_kind = 'promotion') as promotional,
        count(*) filter (where touch.taken_at > coalesce(told.spoke_at, '-infinity')) as unanswered
    from ({touches}) touch
    where touch.receiver_id = asked.customer_id and touch.taken_at < asked.at
        and touch.taken_at >= asked.at - interval '{window} days'
) touched
join agent_rates on agent_rates.agent_id = asked.agent_id
    and agent_rates.day = (asked.at at time zone %(zone)s)::date
"""
RAW = ", ".join(feature.code for feature in FEATURES)


def known_sql(asked: str) -> str:
    """A query of key, customer_id, agent_id, at and every raw feature, with ``known_values``."""
    return _KNOWN.format(asked=asked, touches=TOUCHES, agent_days=AGENT_DAYS, window=WINDOW_DAYS)


def known_values() -> dict[str, Any]:
    """Named values of ``known_sql``."""
    return {
        "zone": settings.CORP_TIME_ZONE,
        "received": KIND_IDS["message_received"],
        "added": KIND_IDS["friend_added"],
        "paid": KIND_IDS["order_paid"],
        "deleted": KIND_IDS["friend_deleted_by_customer"],
    }
