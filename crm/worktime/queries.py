"""Whose shifts count for whom, and the clocks that follow from them."""

import csv
from collections import defaultdict
from collections.abc import Iterable
from datetime import date, time, timedelta
from functools import lru_cache
from pathlib import Path

from crm.agents.models import Agent, Department
from crm.shared.times import corp_zone
from crm.worktime.hours import Calendar, Hours, Roster, WorkClock, work_intervals
from crm.worktime.models import CalendarDay, Shift

_SHIPPED = Path(__file__).with_name("calendars") / "cn.csv"
DEFAULT_HOURS = Hours(frozenset(range(5)), time(9), time(18))


@lru_cache(maxsize=1)
def shipped_calendar() -> dict[date, int | None]:
    """The mainland's holidays and make-up workdays, as far as they have been announced."""
    with _SHIPPED.open(encoding="utf-8", newline="") as file:
        return {
            date.fromisoformat(row["day"]): int(row["works_as"]) if row["works_as"] else None
            for row in csv.DictReader(file)
        }


def calendar() -> Calendar:
    """Days that differ from their weekday; rows go before the shipped file."""
    return shipped_calendar() | dict(CalendarDay.objects.values_list("day", "works_as"))


def years_without_calendar(first: date, last: date) -> list[int]:
    """Years of the range of which no holiday is known: there every week counts as plain."""
    known = {day.year for day in calendar()}
    return [year for year in range(first.year, last.year + 1) if year not in known]


def rosters(agents: Iterable[Agent]) -> dict[int, Roster]:
    """The roster of each agent by id: own shifts, those of the departments upwards, everybody's.

    Where nobody has written any shift down, Monday to Friday from nine to six counts.
    """
    own, of_department, general = defaultdict(list), defaultdict(list), []
    for shift in Shift.objects.order_by("pk"):
        if shift.agent_id:
            own[shift.agent_id].append(_hours(shift))
        elif shift.department_id:
            of_department[shift.department_id].append(_hours(shift))
        else:
            general.append(_hours(shift))
    above = _departments_upwards()
    everybody = tuple(general) or (DEFAULT_HOURS,)
    return {
        agent.pk: tuple(
            tuple(level)
            for level in (
                own.get(agent.pk, ()),
                *(of_department.get(pk, ()) for pk in above.get(agent.department_id, ())),
                everybody,
            )
            if level
        )
        for agent in agents
    }


def work_clocks(agents: Iterable[Agent], *, first: date, last: date) -> dict[int, WorkClock]:
    """A clock for each agent by id, right between the beginning of ``first`` and end of ``last``.

    Agents with the same roster share one.
    """
    days, zone = calendar(), corp_zone()
    made: dict[Roster, WorkClock] = {}
    clocks = {}
    for pk, roster in rosters(agents).items():
        if roster not in made:
            # A shift of the evening before may reach into the first day.
            before = first - timedelta(days=1)
            made[roster] = WorkClock(
                work_intervals(roster, days, first=before, last=last, zone=zone)
            )
        clocks[pk] = made[roster]
    return clocks


def _hours(shift: Shift) -> Hours:
    return Hours(
        weekdays=frozenset(shift.weekdays),
        starts=shift.starts,
        ends=shift.ends,
        valid_from=shift.valid_from,
        valid_to=shift.valid_to,
        ignores_calendar=shift.ignores_calendar,
    )


def _departments_upwards() -> dict[int, list[int]]:
    """Each department with those above it, the nearest first."""
    parents = dict(Department.objects.values_list("pk", "parent_id"))
    chains = {}
    for pk in parents:
        chain, one = [], pk
        while one is not None and one not in chain:
            chain.append(one)
            one = parents.get(one)
        chains[pk] = chain
    return chains
