"""A clock that tests can move. Calendar limits count days of Asia/Shanghai."""

import time

HOUR = 3600
DAY = 86_400
SHANGHAI = 8 * HOUR  # No summer time since 1991.


def day_start(instant: float) -> int:
    """00:00 in Shanghai of the day that holds this instant."""
    return int((instant + SHANGHAI) // DAY * DAY - SHANGHAI)


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
