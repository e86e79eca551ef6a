"""Weeks of days of the corporation, Monday first, for pages that show what happens when."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Protocol

from django.utils.translation import gettext as _

from crm.shared.formatting import day as day_words
from crm.shared.times import local_day

SHOWN_A_DAY = {"month": 4, "week": 20}
YEARS = range(2000, 2101)  # A calendar must have room on both sides of any day asked for.


class Timed(Protocol):
    """Whatever stands in a day's cell."""

    at: datetime


@dataclass(frozen=True)
class Day:
    """A cell of the calendar; ``more`` is how many entries are not shown."""

    on: date
    is_today: bool
    is_outside: bool
    is_past: bool
    entries: tuple[Any, ...]
    more: int
    extra: Any = field(default=None)


@dataclass(frozen=True)
class Calendar:
    """A month or a week, ready to be shown."""

    view: str
    title: str
    weeks: tuple[tuple[Day, ...], ...]
    before: date
    after: date
    total: int


def lay_out(
    entries: Sequence[Timed],
    *,
    view: str,
    on: date,
    now: datetime,
    extra: Callable[[date, Sequence[Any]], Any] | None = None,
) -> Calendar:
    """Place entries, earliest first, into the weeks around a day.

    ``extra`` says more about a day and everything that stands on it.
    """
    first, last = span(view, on)
    by_day: dict[date, list[Timed]] = defaultdict(list)
    for entry in entries:
        by_day[local_day(entry.at)].append(entry)
    today, most = local_day(now), SHOWN_A_DAY[view]
    days = []
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        found = by_day.get(day, [])
        days.append(
            Day(
                on=day,
                is_today=day == today,
                is_outside=view == "month" and day.month != on.month,
                is_past=day < today,
                entries=tuple(found[:most]),
                more=max(0, len(found) - most),
                extra=extra(day, found) if extra else None,
            )
        )
    return Calendar(
        view=view,
        title=_title(view, first, on),
        weeks=tuple(tuple(days[n : n + 7]) for n in range(0, len(days), 7)),
        before=_before(view, on),
        after=_after(view, on),
        total=len(entries),
    )


def span(view: str, on: date) -> tuple[date, date]:
    """The first and last day that are shown."""
    if view == "week":
        monday = on - timedelta(days=on.weekday())
        return monday, monday + timedelta(days=6)
    first = on.replace(day=1)
    last = _after("month", on) - timedelta(days=1)
    return first - timedelta(days=first.weekday()), last + timedelta(days=6 - last.weekday())


def _before(view: str, on: date) -> date:
    if view == "week":
        return on - timedelta(days=7)
    return (on.replace(day=1) - timedelta(days=1)).replace(day=1)


def _after(view: str, on: date) -> date:
    if view == "week":
        return on + timedelta(days=7)
    return (on.replace(day=1) + timedelta(days=32)).replace(day=1)


def _title(view: str, first: date, on: date) -> str:
    if view == "week":
        last = first + timedelta(days=6)
        return f"{day_words(first)} – {day_words(last)}"
    return _("%(year)s 年 %(month)s 月") % {"year": on.year, "month": on.month}
