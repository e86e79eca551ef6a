"""The calendar of moments."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from django.utils.translation import gettext as _

from crm.agents.models import User
from crm.moments.models import Moment
from crm.shared.calendars import Calendar, lay_out, span
from crm.shared.times import corp_zone, day_end, day_start

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


def read_calendar(
    user: User, *, view: str, on: date, states: Iterable[str], now: datetime
) -> Calendar:
    """What goes out when, within the user's scope, in one query."""
    first, last = span(view, on)
    found = entries(user, first=first, last=last, states=states, now=now)
    return lay_out(found, view=view, on=on, now=now)


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
