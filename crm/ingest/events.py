"""Events: everything else that happened to a customer, appended as facts exactly once.

An event is known by its ``event_id``; without one, by all that it says and by how many times the
same has been said before it in these rows: two equal lines are two events, the same file twice
adds nothing.
"""

from datetime import datetime

from crm.ingest import people
from crm.ingest.counts import Counts
from crm.ingest.problems import Problems
from crm.ingest.staging import fetch, find_problems, renew_from, run
from crm.timeline.actions import append_selected_facts, declare_kind

SOURCE = "import:events"

_REUSED_HERE = """
select line, event_id, first
from (
    select line, event_id, digest, min(line) over w as first, first_value(digest) over w as said
    from staged where event_id is not null
    window w as (partition by event_id order by line)
) as numbered
where digest <> said
"""

_PLAN = """
select s.line, s.event_id, s.customer_id as ref, s.event as kind, s.at, s.agent_id as agent,
       s.group_id as chat, s.channel, s.amount, s.properties, s.nth, k.key as source_key,
       case when f.id is null and (s.event_id is null or s.nth = 1) then 'new' else 'same' end
           as verdict,
       s.event_id is not null and f.id is not null and (
           f.at <> s.at or fk.code <> s.event or f.customer_id is distinct from r.customer_id
       ) as differs
from (
    select *, row_number() over (
        partition by coalesce(event_id, '#' || digest) order by line
    ) as nth
    from staged
) as s
cross join lateral (
    select coalesce(s.event_id, '#' || s.digest || ':' || s.nth) as key
) as k
join refs as r on r.ref = s.customer_id
left join crm_fact as f on f.source = 'import:events' and f.source_key = k.key
left join crm_factkind as fk on fk.id = f.kind_id
"""

_CHANNELS = """
insert into crm_channel (created_at, updated_at, code, name, moment, is_active)
select distinct %(now)s::timestamptz, %(now)s::timestamptz, channel, channel, '', true
from planned where channel is not null and verdict = 'new'
order by channel
on conflict (code) do nothing
"""

# Whom or which group WeCom has not told us of stays readable among the properties.
_FACTS = """
select r.customer_id, p.kind, p.at, a.id as agent_id, g.id as group_id, ch.id as channel_id,
       null::bigint as order_id, p.amount as amount_cents, 'import:events' as source,
       p.source_key,
       p.properties || jsonb_strip_nulls(jsonb_build_object(
           'agent_id', case when a.id is null then p.agent end,
           'group_id', case when g.id is null then p.chat end
       )) as properties
from planned as p
join refs as r on r.ref = p.ref
left join crm_agent as a on a.userid = p.agent
left join crm_group as g on g.chat_id = p.chat
left join crm_channel as ch on ch.code = p.channel
where p.verdict = 'new'
order by source_key
"""

_UNKNOWN_NAMES = """
select count(*) filter (where p.agent is not null and a.id is null),
       count(*) filter (where p.chat is not null and g.id is null)
from planned as p
left join crm_agent as a on a.userid = p.agent
left join crm_group as g on g.chat_id = p.chat
where p.verdict = 'new'
"""

_TOUCHED = """
select distinct r.customer_id from planned as p join refs as r on r.ref = p.ref
where p.verdict = 'new'
"""


def check(problems: Problems) -> Counts:
    """Give every staged event its key, and refuse a number used for two different events."""
    find_problems(problems, _REUSED_HERE, field="event_id", code="duplicate", params=["first"])
    unknown = people.resolve_people()
    renew_from("planned", _PLAN)
    reused = "select line, event_id from planned where differs"
    find_problems(problems, reused, field="event_id", code="event_id_reused")
    counts = Counts(people=unknown).take(
        fetch("select verdict, count(*) from planned group by verdict")
    )
    [(counts.unknown_agents, counts.unknown_groups)] = fetch(_UNKNOWN_NAMES)
    return counts


def write(now: datetime, new_names: set[str], *, source: str) -> int:
    """Append new events as facts; returns how many. Leaves the customers in ``touched``."""
    for code in sorted(new_names):
        declare_kind(code=code, label_zh=code, emitter="import")
    people.open_records(now, source=source)
    run(_CHANNELS, {"now": now})
    facts = append_selected_facts(_FACTS, {}, now=now)
    renew_from("touched", _TOUCHED)
    return facts
