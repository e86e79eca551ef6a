"""Figures of agents over a range of days: adds, deletions both ways, messages, first replies."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median
from typing import Any

from django.db import connection
from django.db.models import Count

from analytics.charts.rates import SMALL_SAMPLE
from analytics.replies.agents import of_agents, replies_of
from crm.agents.models import Agent
from crm.moments.models import MomentTask
from crm.shared.times import day_start, local_day

RANGES = (7, 30, 90)
DEFAULT_RANGE = 30
RANKED_FROM = 3

_FIGURES = """
with friends as (
    select agent_id, sum(n) as friends
    from analytics_agentfriends
    where agent_id = any(%(agents)s::bigint[])
    group by agent_id
),
happened as (
    select agent_id, sum(added) as added, sum(lost) as lost, sum(dropped) as dropped,
           sum(received) as received, sum(sent) as sent
    from (
        select agent_id, added, lost, dropped, received, sent
        from analytics_agentweek
        where agent_id = any(%(agents)s::bigint[])
          and on_day >= %(monday)s and on_day < %(rest)s
        union all
        select agent_id, added, lost, dropped, received, sent
        from analytics_agentday
        where agent_id = any(%(agents)s::bigint[]) and is_merged
          and on_day >= %(first)s and on_day < %(monday)s
        union all
        select agent_id, added, lost, dropped, received, sent
        from analytics_agentday
        where agent_id = any(%(agents)s::bigint[]) and is_merged
          and on_day >= %(rest)s and on_day <= %(last)s
        union all
        select agent_id, added, lost, dropped, received, sent
        from analytics_agentday
        where agent_id = any(%(agents)s::bigint[]) and not is_merged
          and on_day >= %(first)s and on_day <= %(last)s
    ) cells
    group by agent_id
)
select agent_id, coalesce(friends, 0), coalesce(added, 0), coalesce(lost, 0),
       coalesce(dropped, 0), coalesce(received, 0), coalesce(sent, 0)
from unnest(%(agents)s::bigint[]) as chosen(agent_id)
left join friends using (agent_id)
left join happened using (agent_id)
"""

# Merged cells and those to be merged stand in an index each.
_DAYS = """
select on_day, sum(added), sum(lost) + sum(dropped), sum(received), sum(sent)
from (
    select * from analytics_agentday
    where agent_id = %(agent)s and is_merged and on_day >= %(first)s and on_day <= %(last)s
    union all
    select * from analytics_agentday
    where agent_id = %(agent)s and not is_merged and on_day >= %(first)s and on_day <= %(last)s
) cells
group by on_day
"""


@dataclass(frozen=True)
class Range:
    """Whole local days, both ends included, and never today: today is not over."""

    first: date
    last: date

    @classmethod
    def ending_yesterday(cls, days: int, *, now: datetime) -> "Range":
        last = local_day(now) - timedelta(days=1)
        return cls(last - timedelta(days=days - 1), last)

    @property
    def length(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def since(self) -> datetime:
        return day_start(self.first)

    @property
    def until(self) -> datetime:
        return day_start(self.last + timedelta(days=1))

    def before(self) -> "Range":
        """The same number of days just before."""
        last = self.first - timedelta(days=1)
        return Range(last - timedelta(days=self.length - 1), last)

    def days(self) -> list[date]:
        return [self.first + timedelta(days=n) for n in range(self.length)]


@dataclass(frozen=True)
class AgentFigures:
    """The figures of one agent; ``name`` is empty in the row of the team's medians."""

    agent_id: int
    name: str
    department: str
    friends: float
    added: float
    lost: float
    dropped: float
    received: float
    sent: float
    turns: float
    answered: float
    median_wait: float | None
    p90_wait: float | None
    outstanding: float
    replies_at: datetime | None = None  # When first replies were counted; None: just now.

    @property
    def unanswered(self) -> float:
        return self.turns - self.answered

    @property
    def is_small(self) -> bool:
        """Too few turns for a median to say much."""
        return self.answered < SMALL_SAMPLE


@dataclass(frozen=True)
class AgentDay:
    """One local day of an agent."""

    on: date
    added: int
    deleted: int
    received: int
    sent: int


NUMBERS = (
    "friends",
    "added",
    "lost",
    "dropped",
    "received",
    "sent",
    "turns",
    "answered",
    "median_wait",
    "p90_wait",
    "outstanding",
)


def agent_figures(agents: Iterable[Agent], days: Range) -> list[AgentFigures]:
    """The figures of these agents, in the order in which they are given."""
    agents = list(agents)
    ids = [agent.pk for agent in agents]
    with connection.cursor() as cursor:
        cursor.execute(_FIGURES, {"agents": ids} | _bounds(days))
        found = {row[0]: row[1:] for row in cursor.fetchall()}
    replies = replies_of(ids, days.first, days.last)
    waiting = MomentTask.unsafe_all.outstanding().values_list("agent_id").annotate(n=Count("pk"))
    outstanding = dict(of_agents(waiting, ids))
    return [
        AgentFigures(
            agent.pk,
            agent.name,
            agent.department.name if agent.department else "",
            *found[agent.pk],
            turns=replies[agent.pk].turns,
            answered=replies[agent.pk].answered,
            median_wait=replies[agent.pk].median_wait,
            p90_wait=replies[agent.pk].p90_wait,
            outstanding=outstanding.get(agent.pk, 0),
            replies_at=replies[agent.pk].counted_at,
        )
        for agent in agents
    ]


def _bounds(days: Range) -> dict[str, Any]:
    """The range, and its whole weeks: from ``monday`` up to, not including, ``rest``."""
    monday = days.first + timedelta(days=-days.first.weekday() % 7)
    after = days.last + timedelta(days=1)
    rest = max(monday, after - timedelta(days=after.weekday()))
    # A range inside one week has no whole week: all of it is the rest.
    monday, rest = (monday, rest) if monday < rest else (days.first, days.first)
    return {"first": days.first, "last": days.last, "monday": monday, "rest": rest}


def team_medians(rows: Sequence[AgentFigures]) -> AgentFigures | None:
    """The median of every column; None where nobody is left to compare with."""
    if len(rows) < RANKED_FROM:
        return None
    values: dict[str, Any] = {}
    for name in NUMBERS:
        known = [getattr(row, name) for row in rows if getattr(row, name) is not None]
        values[name] = median(known) if known else None
    return AgentFigures(agent_id=0, name="", department="", **values)


def ranked(rows: Sequence[AgentFigures], sort: str) -> list[AgentFigures]:
    """Rows by a column of numbers; fewer than three people are not ranked.

    For waits, those with few answered turns stand last: their median is chance.
    """
    name = sort.removeprefix("-")
    if name not in NUMBERS or len(rows) < RANKED_FROM:
        return list(rows)
    few = name.endswith("_wait")
    sure = [r for r in rows if getattr(r, name) is not None and not (few and r.is_small)]
    chosen = {r.agent_id for r in sure}
    rest = [r for r in rows if r.agent_id not in chosen]
    return sorted(sure, key=lambda r: getattr(r, name), reverse=sort.startswith("-")) + rest


def agent_days(agent: Agent, days: Range) -> list[AgentDay]:
    """What happened on each day of the range."""
    with connection.cursor() as cursor:
        cursor.execute(_DAYS, {"agent": agent.pk} | _bounds(days))
        found = {row[0]: row[1:] for row in cursor.fetchall()}
    return [AgentDay(on, *found.get(on, (0, 0, 0, 0))) for on in days.days()]
