"""Rows that one process holds: for a short time, so that a dead one is soon followed.

A call to WeCom with all its repetitions may take minutes. While it does, a thread with a connection
of its own renews the lease; it opens none for work that is done before the first renewal is due.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import Error, connection
from django.db.models import QuerySet

LEASE = timedelta(seconds=30)
RENEWED_EVERY = 10.0  # Seconds: two renewals may fail.
log = logging.getLogger(__name__)


@contextmanager
def renewed(
    renew: Callable[[], object], *, name: str, every: float = RENEWED_EVERY
) -> Iterator[None]:
    """Call ``renew`` every so many seconds while the block runs, until it answers something false.

    ``name`` is that of the thread.
    """
    over = threading.Event()
    thread = threading.Thread(target=_renew, args=(renew, every, over), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _renew(renew: Callable[[], object], every: float, over: threading.Event) -> None:
    opened = False
    while not over.wait(every):
        opened = True
        try:
            if not renew():
                break  # Somebody else has it.
        except Error:  # Also of the driver alone, when the server was restarted.
            log.warning("lease not renewed", exc_info=True)
            connection.close()
    if opened:
        connection.close()


class Turn:
    """One round over a row whose ``follow_at`` says when the next one is due."""

    def __init__(
        self, row: QuerySet, *, now: datetime, elapsed: Callable[[], float] = time.monotonic
    ) -> None:
        self._row, self._now, self._elapsed, self._begun = row, now, elapsed, elapsed()
        self._until = now + LEASE

    def take(self) -> bool:
        """Whether the round is due and ours."""
        return bool(self._row.filter(follow_at__lte=self._now).update(follow_at=self._until))

    def renew(self) -> bool:
        """Hold it for longer; False when somebody else has it or wants it asked at once."""
        later = self._now + timedelta(seconds=self._elapsed() - self._begun) + LEASE
        if not self._row.filter(follow_at=self._until).update(follow_at=later):
            return False
        self._until = later
        return True
