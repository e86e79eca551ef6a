"""When a slot is, and what its date comes to: arithmetic, without rows."""

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from crm.moments.models import Moment
from crm.shared.times import day_end, local_day
from crm.slots.models import SlotDate

HORIZON = 14  # So many days, today among them, are filled ahead.
Standing, State = SlotDate.Standing, Moment.State
# Nobody has handed it to WeCom: its hour passes and nothing goes out.
_UNSENT = (State.DRAFT, State.WAITING, State.FAILED)


def dates_of(weekdays: Collection[int], first: date, last: date) -> list[date]:
    """The days of a weekly pattern from ``first`` to ``last``, both included."""
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return [day for day in days if day.weekday() in weekdays]


def due_at(on: date, at: time, zone: str) -> datetime:
    """The instant of a local time; where the clocks leap over it, an hour later than it says."""
    return datetime.combine(on, at, ZoneInfo(zone)).astimezone(UTC)


def first_day(at: time, zone: str, *, now: datetime) -> date:
    """The first day on which this time of day is still to come."""
    today = local_day(now)
    return today if due_at(today, at, zone) > now else today + timedelta(days=1)


def standing_of(
    *,
    outcome: str,
    due: datetime,
    state: str | None,
    publish_at: datetime | None,
    is_published: bool,
    now: datetime,
) -> Standing:
    """What one date is: exactly one of planned, empty, missed, done.

    ``state`` and ``publish_at`` are those of its post, None without one. A post that agents have
    on their phones counts as planned until its day is over.
    """
    if outcome:
        return Standing(outcome)
    if is_published:
        return Standing.DONE
    if state is None or publish_at is None or state == State.CANCELLED:
        return Standing.EMPTY if due > now else Standing.MISSED
    if state == State.DONE:
        return Standing.MISSED
    ends = publish_at if state in _UNSENT else day_end(local_day(publish_at))
    return Standing.PLANNED if ends > now else Standing.MISSED
