"""Counting replies: per agent and all together, by the calendar and by working time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db.models import Q
from django.utils.translation import gettext as _

from analytics.charts.rates import SMALL_SAMPLE, Rate
from analytics.figures.lasting import lasting
from analytics.replies.question import DEFINITION_VERSION, RepliesQuestion, RepliesRefused
from analytics.replies.survival import Waits, waits
from analytics.replies.turns import Turns, same_day_chats, turns
from crm.agents.models import Agent, User
from crm.customers.models import Customer
from crm.shared.times import local_day
from crm.worktime.queries import work_clocks, years_without_calendar

STATES = ("all", "unanswered", "off_hours")
MARKS = (60, 300, 900, 1800, 3600, 2 * 3600, 4 * 3600, 8 * 3600, 24 * 3600, 72 * 3600)
"""Seconds at which the curve and its table are read."""


@dataclass(frozen=True)
class ReplyRow:
    """Figures of one agent, or of all (``agent_id`` 0). Counts of people are in the scope."""

    agent_id: int
    name: str
    department: str
    turns: int
    answered: int
    off_hours: int
    customers: int
    customers_unanswered: int
    customers_off_hours: int
    calendar: Waits
    working: Waits
    same_day: Rate

    @property
    def unanswered(self) -> int:
        return self.turns - self.answered

    @property
    def is_small(self) -> bool:
        """Too few turns for a quantile to say much."""
        return self.turns < SMALL_SAMPLE

    def as_json(self) -> dict[str, Any]:
        """Seconds and counts; a quantile that is not known yet is null."""
        return {
            "agent_id": self.agent_id,
            "agent": self.name,
            "turns": self.turns,
            "answered": self.answered,
            "unanswered": self.unanswered,
            "off_hours": self.off_hours,
            "customers": self.customers,
            "customers_unanswered": self.customers_unanswered,
            "customers_off_hours": self.customers_off_hours,
            "calendar_median": self.calendar.quantile(0.5),
            "calendar_p90": self.calendar.quantile(0.9),
            "working_median": self.working.quantile(0.5),
            "working_p90": self.working.quantile(0.9),
            "same_day": self.same_day.as_json(),
        }


@dataclass(frozen=True)
class RepliesAnswer:
    """Rows in the order of names, their sum, and what the answer stands on."""

    question: RepliesQuestion
    rows: list[ReplyRow]
    total: ReplyRow
    as_of: datetime
    unknown_years: list[int]

    def as_json(self) -> dict[str, Any]:
        return {
            "question": self.question.as_json(),
            "agents": [row.as_json() for row in self.rows],
            "total": self.total.as_json(),
            "within": [
                {
                    "seconds": mark,
                    "calendar": self.total.calendar.within(mark),
                    "working": self.total.working.within(mark),
                }
                for mark in MARKS
            ],
            "data_time": self.as_of,
            "definition_version": DEFINITION_VERSION,
        }


@dataclass(frozen=True)
class _Counted:
    """Turns with what each came to."""

    turns: Turns
    calendar: np.ndarray
    working: np.ndarray
    is_off_hours: np.ndarray
    seen: np.ndarray  # Whether the viewer may see the customer.

    def customers(self, where: slice, state: str) -> np.ndarray:
        """Sorted ids of the people with a turn in this state, as far as the viewer sees them."""
        chosen = self.seen[where] & self._in_state(where, state)
        return np.unique(self.turns.customer[where][chosen])

    def _in_state(self, where: slice, state: str) -> np.ndarray:
        if state == "unanswered":
            return ~self.turns.is_answered[where]
        if state == "off_hours":
            return self.is_off_hours[where]
        return np.ones(len(self.turns.start[where]), dtype=bool)


def reply_times(question: RepliesQuestion, *, user: User, now: datetime) -> RepliesAnswer:
    """Replies of the agents whom the user may see."""
    return lasting(
        "replies", question.as_json(), user=user, ask=lambda: _reply_times(question, user, now)
    )


def _reply_times(question: RepliesQuestion, user: User, now: datetime) -> RepliesAnswer:
    agents = agents_asked(question, user)
    counted = _count(question, agents, user, now)
    chats = same_day_chats([agent.pk for agent in agents], **_span(question, now))
    rows = [_row(counted, counted.turns.of(a.pk), chats.get(a.pk, (0, 0)), a) for a in agents]
    together = tuple(sum(part) for part in zip((0, 0), *chats.values(), strict=True))
    return RepliesAnswer(
        question=question,
        rows=rows,
        total=_row(counted, slice(None), together),
        as_of=now,
        unknown_years=years_without_calendar(question.first, question.last),
    )


def people_behind(question: RepliesQuestion, *, user: User, state: str, now: datetime) -> list[int]:
    """Ids of the customers with a turn in ``state``, sorted, in the user's scope."""
    counted = _count(question, agents_asked(question, user), user, now)
    return counted.customers(slice(None), state).tolist()


def agents_asked(question: RepliesQuestion, user: User) -> list[Agent]:
    """The agents in question, as far as the user sees them, by name.

    Raises RepliesRefused where an agent was asked for who is not there for this user.
    """
    seen = Agent.objects.for_user(user).select_related("department")
    if question.departments:
        seen = seen.filter(department__in=question.departments)
    if question.agents:
        found = list(seen.filter(pk__in=question.agents))
        if len(found) < len(question.agents):
            raise RepliesRefused(_("没有这位员工，或您无权查看"), field="agent")
        return found
    # Who has left is shown as long as the days of the question reach back to them.
    return list(seen.filter(Q(left_at__isnull=True) | Q(left_at__gte=question.since)))


def _span(question: RepliesQuestion, now: datetime) -> dict[str, datetime]:
    return {"since": question.since, "until": question.until, "as_of": now}


def _count(
    question: RepliesQuestion, agents: Sequence[Agent], user: User, now: datetime
) -> _Counted:
    found = turns([agent.pk for agent in agents], **_span(question, now))
    last = min(question.last + timedelta(days=8), local_day(now))
    clocks = work_clocks(agents, first=question.first, last=max(last, question.last))
    working, at_work = np.zeros(len(found)), np.zeros(len(found), dtype=bool)
    for pk, clock in clocks.items():
        where = found.of(pk)
        working[where] = clock.between(found.start[where], found.ended[where])
        at_work[where] = clock.runs_at(found.start[where])
    return _Counted(
        turns=found,
        calendar=found.ended - found.start,
        working=working,
        is_off_hours=~at_work,
        seen=_seen(found.customer, user),
    )


def _seen(customers: np.ndarray, user: User) -> np.ndarray:
    """Which of these customers the viewer may see."""
    visible = Customer.objects.for_user(user)
    if not visible.query.where:
        return np.ones(len(customers), dtype=bool)
    asked = np.unique(customers).tolist()
    return np.isin(customers, list(visible.filter(pk__in=asked).values_list("pk", flat=True)))


def _row(
    counted: _Counted, where: slice, chats: tuple[int, int], agent: Agent | None = None
) -> ReplyRow:
    answered = counted.turns.is_answered[where]
    people = {state: len(counted.customers(where, state)) for state in STATES}
    return ReplyRow(
        agent_id=agent.pk if agent else 0,
        name=agent.name if agent else "",
        department=agent.department.name if agent and agent.department else "",
        turns=len(answered),
        answered=int(answered.sum()),
        off_hours=int(counted.is_off_hours[where].sum()),
        customers=people["all"],
        customers_unanswered=people["unanswered"],
        customers_off_hours=people["off_hours"],
        calendar=waits(counted.calendar[where], answered),
        working=waits(counted.working[where], answered),
        same_day=Rate(*chats),
    )
