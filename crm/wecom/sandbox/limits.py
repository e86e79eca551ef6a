"""Frequency limits: so many calls of one API in a window, then 45009 until the block ends."""

import threading
from collections import deque

from .clock import DAY, HOUR, Clock
from .wire import Refused

# (calls, window, block) in seconds of the virtual clock.
COMMON = [(10_000, 60, 60), (150_000, HOUR, HOUR)]
BY_METHOD = {
    "externalcontact/add_moment_task": [(10, 60, 60), (100_000, 30 * DAY, 30 * DAY)],
    "media/uploadimg": [(1000, DAY, DAY), (3000, 30 * DAY, 30 * DAY)],
}


class Limits:
    """Counts accepted calls per method. Blocks are real: the call is not carried out."""

    def __init__(self, clock: Clock):
        self.clock = clock
        self.lock = threading.Lock()
        self.clear()

    def clear(self, overrides: dict[str, list] | None = None) -> None:
        """Forget all counts; `overrides` replace windows, an empty list lifts the limit."""
        with self.lock:
            self.windows = BY_METHOD | (overrides or {})
            self.calls: dict[tuple[str, int], deque] = {}
            self.blocked_until: dict[str, float] = {}

    def spend(self, method: str) -> None:
        now = self.clock.now()
        with self.lock:
            if self.blocked_until.get(method, 0.0) > now:
                raise Refused(45009, method)
            for most, window, block in self.windows.get(method, self.windows.get("*", COMMON)):
                seen = self.calls.setdefault((method, window), deque())
                while seen and seen[0] <= now - window:
                    seen.popleft()
                if len(seen) >= most:
                    self.blocked_until[method] = now + block
                    raise Refused(45009, method)
                seen.append(now)
