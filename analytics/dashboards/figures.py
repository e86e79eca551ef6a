"""Opening the numbers of agents: each counts facts or turns, so each opens into as many lines.

What surprises: an agent in the viewer's scope may have talked with customers who are not; they are
lines without a name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from analytics.dashboards.agents import AgentDay, AgentFigures, Range
from analytics.figures.lines import Found, Lines
from analytics.figures.numbers import Number, opening
from analytics.figures.registry import FigureRefused, Opened, register
from analytics.replies.agents import TURNS
from crm.agents.access import Permission
from crm.agents.models import Agent, User
from crm.shared.formatting import day as day_text
from crm.shared.formatting import duration, moment
from crm.shared.http import row_number
from crm.shared.times import day_start
from crm.timeline.models import FactKind

NAME = "agent-facts"
DEFINITION_VERSION = 1
MOST_DAYS = 400
# The kinds that a column of the table counts, as the cube does.
KINDS = {
    "added": (1,), "lost": (2,), "dropped": (3,), "deleted": (2, 3), "received": (7,), "sent": (8,),
}  # fmt: skip
TURN_STATES = ("turns", "unanswered")
_FACTS = """
select f.id as key, f.customer_id, f.at, f.kind_id::int as link, 0 as other
from crm_fact f cross join analytics_standingrule rule
where f.agent_id = %(agent)s and f.kind_id = any(%(kinds)s)
  and f.at >= %(since)s - interval '2 days' and f.at < %(until)s + interval '2 days'
  and (f.at at time zone rule.zone)::date between %(first)s and %(last)s
"""
_TURNS = (
    TURNS
    + """
select id as key, customer_id, at, (waited is not null)::int as link,
       coalesce(waited, 0)::bigint as other
from turns where not %(unanswered)s or waited is null
"""
)


def labels() -> dict[str, str]:
    """What a number counts, in words."""
    return {
        "added": _("加微"),
        "lost": _("客户删除员工"),
        "dropped": _("员工删除客户"),
        "deleted": _("删除"),
        "received": _("客户消息"),
        "sent": _("员工消息"),
        "turns": _("来话轮次"),
        "unanswered": _("未回复轮次"),
    }


def definition(what: str) -> str:
    """The rule behind a number, in words."""
    if what in TURN_STATES:
        return _(
            "客户连续发来的消息算一轮，从这一轮第一条消息到员工下一条消息的时间；"
            "沉默超过 7 天另起一轮，7 天内没有回复算未回复，不计入中位数"
        )
    return _("按次数计，一位客户可以有几次；每一行是一次，按发生的当地日期归到哪一天。")


def number(agent_id: int, what: str, value: float, first: date, last: date) -> Number:
    """A number of the table, and where its lines are."""
    days = {"from": first.isoformat(), "to": last.isoformat()}
    return opening(
        NAME, int(value), labels()[what], definition(what), agent=agent_id, what=what, **days
    )


@dataclass(frozen=True)
class AgentRow:
    """A line of the table: the figures, and those that open."""

    figures: AgentFigures
    numbers: dict[str, Number]


@dataclass(frozen=True)
class DayRow:
    """A day of an agent."""

    on: date
    numbers: list[Number]


def agent_rows(rows: Sequence[AgentFigures], days: Range) -> list[AgentRow]:
    """Every agent's numbers."""
    whats = ("added", "lost", "dropped", "received", "sent", *TURN_STATES)
    return [
        AgentRow(
            row,
            {
                what: number(row.agent_id, what, getattr(row, what), days.first, days.last)
                for what in whats
            },
        )
        for row in rows
    ]


def day_rows(agent: Agent, daily: Sequence[AgentDay]) -> list[DayRow]:
    """An agent's days on which something happened."""
    whats = ("added", "deleted", "received", "sent")
    return [
        DayRow(
            day.on, [number(agent.pk, what, getattr(day, what), day.on, day.on) for what in whats]
        )
        for day in daily
    ]


def open_facts(params: QueryDict, user: User) -> Opened:
    """Facts or turns of an ``agent`` between two days, both included."""
    what, first, last = params.get("what", ""), _day(params, "from"), _day(params, "to")
    if not user.can(Permission.AGENTS_VIEW) or what not in labels():
        raise FigureRefused(_("没有这个数字，请从报表页点开"), field="what")
    if first > last or (last - first).days >= MOST_DAYS:
        raise FigureRefused(_("没有这个数字，请从报表页点开"), field="from")
    agent = Agent.objects.for_user(user).filter(pk=row_number(params.get("agent"))).first()
    if agent is None:
        raise FigureRefused(_("没有这个数字，请从报表页点开"), field="agent")
    lines = (
        _turns(agent, what, first, last)
        if what in TURN_STATES
        else _facts(agent, what, first, last)
    )
    query = {"agent": str(agent.pk), "what": what, "from": str(first), "to": str(last)}
    days = day_text(first) if first == last else f"{day_text(first)} – {day_text(last)}"
    return Opened(
        title=f"{agent.name} · {days} · {labels()[what]}",
        ids=lines.people(user),
        lines=lines,
        definition=definition(what),
        version=DEFINITION_VERSION,
        data_time=timezone.now(),
        back=reverse("analytics:dashboards:agent", args=[agent.pk]),
        query=tuple(query.items()),
        question=query,
    )


def _facts(agent: Agent, what: str, first: date, last: date) -> Lines:
    params = {"agent": agent.pk, "kinds": list(KINDS[what]), "first": first, "last": last}
    return Lines(
        _FACTS,
        params | _span(first, last),
        heads=(_("时间"), _("发生了什么")),
        tell=_facts_told,
    )


def _turns(agent: Agent, what: str, first: date, last: date) -> Lines:
    params = {"agents": [agent.pk], "unanswered": what == "unanswered"}
    return Lines(
        _TURNS,
        params | _span(first, last),
        heads=(_("时间"), _("首次回复")),
        tell=lambda rows: [
            (moment(row.at), duration(row.other) if row.link else _("7 天内没有回复"))
            for row in rows
        ],
    )


def _span(first: date, last: date) -> dict[str, object]:
    return {"since": day_start(first), "until": day_start(last + timedelta(days=1))}


def _facts_told(rows: Sequence[Found]) -> list[tuple[str, ...]]:
    names = {kind.pk: str(kind.label) for kind in FactKind.objects.all()}
    return [(moment(row.at), names.get(row.link, "")) for row in rows]


def _day(params: QueryDict, name: str) -> date:
    try:
        return date.fromisoformat(params.get(name, ""))
    except ValueError:
        raise FigureRefused(_("没有这个数字，请从报表页点开"), field=name) from None


register(NAME, open_facts)
