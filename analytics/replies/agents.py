"""First replies of agents over whole days, counted when asked or, for the ranges of pages, before.

The messages of one customer to one agent are cut into turns. A turn begins with a message of the
customer that follows one of the agent, or nothing, or seven days of silence; it is answered by the
agent's next message within seven days. The wait runs from the first message of the turn. Turns
without an answer are counted beside the median, never inside it. A machine answers nobody.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import connection
from django.db.models import QuerySet

from analytics.replies.models import AgentReplies
from analytics.replies.question import RANGES
from crm.agents.models import Agent
from crm.shared.times import day_start, local_day

AT_ONCE = 250
FEW = 200

# Turns of these agents that began in the span: agent, customer, first message, when, wait or null.
TURNS = """
with messages as (
    select agent_id, customer_id, at, id, kind_id,
           lag(kind_id) over talk as kind_before, lag(at) over talk as at_before
    from crm_fact
    where agent_id = any(%(agents)s::bigint[]) and kind_id in (7, 8)
      and at >= %(since)s - interval '7 days' and at < %(until)s + interval '7 days'
      and not (kind_id = 8 and properties @> '{"machine": true}')
    window talk as (partition by agent_id, customer_id order by at, id)
),
edges as (
    -- Only where a turn begins and where one is answered: what follows a beginning is its answer,
    -- or the next beginning.
    select agent_id, customer_id, id, at, kind_id,
           lead(kind_id) over talk as kind_after, lead(at) over talk as at_after
    from messages
    where (kind_id = 8 and kind_before = 7)
       or (kind_id = 7 and (kind_before is null or kind_before = 8
                            or at_before < at - interval '7 days'))
    window talk as (partition by agent_id, customer_id order by at, id)
),
turns as (
    select agent_id, customer_id, id, at,
           case when kind_after = 8 and at_after <= at + interval '7 days'
                then extract(epoch from at_after - at)::float8 end as waited
    from edges
    where kind_id = 7 and at >= %(since)s and at < %(until)s
)
"""
_REPLIES = (
    TURNS
    + """
select agent_id, count(*), count(waited),
       percentile_cont(0.5) within group (order by waited),
       percentile_cont(0.9) within group (order by waited)
from turns
group by agent_id
"""
)


@dataclass(frozen=True)
class FirstReplies:
    """Turns of an agent, how many were answered, and seconds until the answer."""

    turns: int = 0
    answered: int = 0
    median_wait: float | None = None
    p90_wait: float | None = None
    counted_at: datetime | None = None


def replies_of(agents: Sequence[int], first: date, last: date) -> dict[int, FirstReplies]:
    """First replies of each agent to turns that began on these local days, both included.

    Where they were counted before, they are as of then (``counted_at``); else they are counted now.
    """
    kept = of_agents(
        AgentReplies.objects.filter(days=(last - first).days + 1, last_on=last).values_list(
            "agent_id", "turns", "answered", "median_wait", "p90_wait", "counted_at"
        ),
        agents,
    )
    found = {agent: FirstReplies(*row) for agent, *row in kept}
    missing = [pk for pk in agents if pk not in found]
    return found | count(missing, first, last)


def of_agents(rows: QuerySet, agents: Sequence[int]) -> list[tuple]:
    """Rows that begin with an agent's id, of these agents; thousands of ids cost more than rows."""
    if len(agents) <= FEW:
        return list(rows.filter(agent_id__in=agents))
    wanted = set(agents)
    return [row for row in rows if row[0] in wanted]


def count(agents: Sequence[int], first: date, last: date) -> dict[int, FirstReplies]:
    """The same, counted now from the facts."""
    found = dict.fromkeys(agents, FirstReplies())
    if not found:
        return found
    span = {"since": day_start(first), "until": day_start(last + timedelta(days=1))}
    with connection.cursor() as cursor:
        cursor.execute(_REPLIES, {"agents": list(agents)} | span)
        found |= {agent: FirstReplies(*row) for agent, *row in cursor.fetchall()}
    return found


def keep_counts(*, now: datetime) -> int:
    """Count the ranges that pages show, for every agent; returns rows written. Harmless to repeat.

    Ranges end yesterday, but an answer of today may still belong to a turn of yesterday.
    """
    agents = list(Agent.unsafe_all.order_by("pk").values_list("pk", flat=True))
    last, written = local_day(now) - timedelta(days=1), 0
    for days in RANGES:
        for some in _some(agents):
            found = count(some, last - timedelta(days=days - 1), last)
            rows = [
                AgentReplies(
                    agent_id=pk, days=days, last_on=last, counted_at=now, turns=one.turns,
                    answered=one.answered, median_wait=one.median_wait, p90_wait=one.p90_wait,
                )
                for pk, one in found.items()
            ]  # fmt: skip
            AgentReplies.objects.bulk_create(
                rows,
                update_conflicts=True,
                unique_fields=["agent_id", "days"],
                update_fields=[
                    "last_on", "turns", "answered", "median_wait", "p90_wait", "counted_at",
                ],
            )  # fmt: skip
            written += len(rows)
    return written


def _some(agents: Sequence[int]) -> Iterable[Sequence[int]]:
    return (agents[at : at + AT_ONCE] for at in range(0, len(agents), AT_ONCE))
