"""A clock that tests can move. Calendar limits count days of Asia/Shanghai."""

import time
from calendar import monthrange

HOUR = 3600
DAY = 86_400
SHANGHAI = 8 * HOUR  # No summer time since 1991.


def day_start(instant: float) -> int:
    """00:00 in Shanghai of the day that holds this instant."""
    return int((instant + SHANGHAI) // DAY * DAY - SHANGHAI)


def month_start(instant: float) -> int:
    """00:00 in Shanghai of the first of this month."""
    return day_start(instant) - (time.gmtime(instant + SHANGHAI).tm_mday - 1) * DAY


def days_in_month(instant: float) -> int:
    """28 to 31."""
    local = time.gmtime(instant + SHANGHAI)
    return monthrange(local.tm_year, local.tm_mon)[1]


def hour_of_day(instant: float) -> int:
    """0 to 23 in Shanghai."""
    return int((instant + SHANGHAI) % DAY // HOUR)


def stamp(instant: float) -> str:
    """2026-05-01 09:30:00 in Shanghai, for pages."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(instant + SHANGHAI))


def iso(instant: float) -> str:
    """2026-05-01T09:30:00+08:00, for files."""
    return time.strftime("%Y-%m-%dT%H:%M:%S+08:00", time.gmtime(instant + SHANGHAI))


class Clock:
    """Real time plus an offset that the store remembers."""

    def __init__(self, store):
        self.store = store
        self.offset = float(store.get("clock_offset", 0.0))

    def now(self) -> float:
        return time.time() + self.offset

    def move(self, *, offset: float) -> float:
        self.store.put("clock_offset", offset)
        self.offset = offset
        return self.now()
