"""The calendar of moments: weeks of days of the corporation, Monday first."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils.translation import gettext as _

from crm.agents.models import User
from crm.moments.models import Moment
from crm.shared.formatting import day as day_words
from crm.shared.times import corp_zone, day_end, day_start, local_day

State = Moment.State
LEVELS = {
    State.WAITING: "warn",
    State.APPROVED: "brand",
    State.CREATING: "brand",
    State.CREATED: "brand",
    State.PUBLISHING: "brand",
    State.DONE: "good",
    State.FAILED: "bad",
    State.UNCERTAIN: "warn",
}
SHOWN_A_DAY = {"month": 4, "week": 20}


@dataclass(frozen=True)
class Entry:
    """One post in a day's cell or in the list."""

    id: int
    title: str
    at: datetime
    time: str
    state: str
    state_label: str
    level: str
    is_missed: bool


@dataclass(frozen=True)
class Day:
    """A cell of the calendar."""

    on: date
    is_today: bool
    is_outside: bool
    is_past: bool
    entries: tuple[Entry, ...]
    more: int


@dataclass(frozen=True)
class Calendar:
    """A month or a week, ready to be shown."""

    view: str
    title: str
    weeks: tuple[tuple[Day, ...], ...]
    before: date
    after: date
    total: int


def read_calendar(
    user: User, *, view: str, on: date, states: Iterable[str], now: datetime
) -> Calendar:
    """What goes out when, within the user's scope, in one query."""
    first, last = _span(view, on)
    found = entries(user, first=first, last=last, states=states, now=now)
    by_day: dict[date, list[Entry]] = defaultdict(list)
    for entry in found:
        by_day[local_day(entry.at)].append(entry)
    days = [
        _day(first + timedelta(days=n), by_day, view=view, on=on, now=now)
        for n in range((last - first).days + 1)
    ]
    return Calendar(
        view=view,
        title=_title(view, first, on),
        weeks=tuple(tuple(days[n : n + 7]) for n in range(0, len(days), 7)),
        before=_before(view, on),
        after=_after(view, on),
        total=len(found),
    )


def entries(
    user: User, *, first: date, last: date, states: Iterable[str], now: datetime
) -> list[Entry]:
    """Posts of whole days, earliest first."""
    moments = Moment.objects.for_user(user).filter(
        publish_at__gte=day_start(first), publish_at__lt=day_end(last)
    )
    if chosen := [state for state in states if state in State.values]:
        moments = moments.filter(state__in=chosen)
    rows = moments.order_by("publish_at", "pk").values_list("pk", "title", "publish_at", "state")
    return [_entry(*row, now=now) for row in rows]


def _entry(pk: int, title: str, at: datetime, state: str, *, now: datetime) -> Entry:
    # Its hour came and it had not been approved: nothing went out.
    missed = state in (State.DRAFT, State.WAITING) and at <= now
    return Entry(
        id=pk,
        title=title,
        at=at,
        time=f"{at.astimezone(corp_zone()):%H:%M}",
        state=state,
        state_label=_("已错过") if missed else str(State(state).label),
        level="bad" if missed else LEVELS.get(state, ""),
        is_missed=missed,
    )


def _day(day: date, by_day: dict[date, list[Entry]], *, view: str, on: date, now: datetime) -> Day:
    found, most = by_day.get(day, []), SHOWN_A_DAY[view]
    today = local_day(now)
    return Day(
        on=day,
        is_today=day == today,
        is_outside=view == "month" and day.month != on.month,
        is_past=day < today,
        entries=tuple(found[:most]),
        more=max(0, len(found) - most),
    )


def _span(view: str, on: date) -> tuple[date, date]:
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
