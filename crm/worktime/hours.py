"""Working time as arithmetic: shifts and calendar in, seconds out. No database here.

Time runs in Unix seconds. Shifts are given on the clock of a zone, so a day on which that clock is
changed has an hour more or less, as it has for whoever works then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

Calendar = Mapping[date, int | None]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Hours:
    """One shift: from ``starts`` to ``ends``, on the next day where that is not later."""

    weekdays: frozenset[int]
    starts: time
    ends: time
    valid_from: date = date.min
    valid_to: date | None = None
    ignores_calendar: bool = False

    def holds_on(self, day: date) -> bool:
        """Whether the shift is in force, whatever weekday it is."""
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)

    def works_on(self, day: date, calendar: Calendar) -> bool:
        """Whether somebody with this shift comes on that day."""
        as_weekday = day.weekday()
        if not self.ignores_calendar:
            as_weekday = calendar.get(day, as_weekday)
        return as_weekday in self.weekdays

    def on(self, day: date, zone: ZoneInfo) -> Interval:
        """The shift that begins on ``day``."""
        ends_on = day if self.ends > self.starts else day + timedelta(days=1)
        begin, end = (
            datetime.combine(on, at, zone).timestamp()
            for on, at in ((day, self.starts), (ends_on, self.ends))
        )
        return begin, max(begin, end)


Roster = tuple[tuple[Hours, ...], ...]
"""Shifts from the nearest (the agent's own) to the furthest (everybody's)."""


def shifts_on(roster: Roster, day: date) -> tuple[Hours, ...]:
    """Shifts of the nearest level that has any in force on that day."""
    for level in roster:
        if holding := tuple(hours for hours in level if hours.holds_on(day)):
            return holding
    return ()


def work_intervals(
    roster: Roster, calendar: Calendar, *, first: date, last: date, zone: ZoneInfo
) -> list[Interval]:
    """Stretches of work of shifts that begin between both days, joined where they touch."""
    found = []
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        found += [
            hours.on(day, zone) for hours in shifts_on(roster, day) if hours.works_on(day, calendar)
        ]
    return _joined(sorted(found))


def _joined(sorted_intervals: Sequence[Interval]) -> list[Interval]:
    joined: list[Interval] = []
    for begin, end in sorted_intervals:
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((begin, end))
    return joined


class WorkClock:
    """A clock that runs only during work; many instants are asked for at once."""

    def __init__(self, intervals: Sequence[Interval]) -> None:
        ends = np.array(intervals, dtype=np.float64).reshape(-1, 2)
        self._begins, self._lengths = ends[:, 0], ends[:, 1] - ends[:, 0]
        self._before = np.concatenate(([0.0], np.cumsum(self._lengths)))

    def reading(self, at: np.ndarray) -> np.ndarray:
        """Seconds worked before each instant."""
        number = np.searchsorted(self._begins, at, side="right")
        if not len(self._begins):
            return np.zeros(len(number))
        last = np.maximum(number - 1, 0)
        inside = np.clip(at - self._begins[last], 0.0, self._lengths[last])
        return self._before[last] + np.where(number > 0, inside, 0.0)

    def between(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Seconds worked between each start and end."""
        return self.reading(end) - self.reading(start)

    def runs_at(self, at: np.ndarray) -> np.ndarray:
        """Whether somebody is at work at each instant; the end of a shift is after work."""
        number = np.searchsorted(self._begins, at, side="right")
        if not len(self._begins):
            return np.zeros(len(number), dtype=bool)
        last = np.maximum(number - 1, 0)
        return (number > 0) & (at - self._begins[last] < self._lengths[last])
