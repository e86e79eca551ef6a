"""The lease of a row: short, so that a dead worker is soon followed; renewed while one works.

A call to WeCom with all its repetitions may take minutes. While it does, a thread with a connection
of its own renews the lease; it opens none for work that is done before the first renewal is due.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import Error, connection

from crm.callbacks.models import InboxEvent

LEASE = timedelta(seconds=30)
RENEWED_EVERY = 10.0  # Seconds: two renewals may fail.
log = logging.getLogger(__name__)


@contextmanager
def held(
    event: InboxEvent, clock: Callable[[], datetime], *, every: float = RENEWED_EVERY
) -> Iterator[None]:
    """Keep a leased row ours while the block runs, and no longer than this process lives."""
    over = threading.Event()
    thread = threading.Thread(
        target=_renew, args=(event, clock, every, over), name=f"inbox-{event.pk}", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _renew(
    event: InboxEvent, clock: Callable[[], datetime], every: float, over: threading.Event
) -> None:
    mine = InboxEvent.objects.filter(pk=event.pk, fence=event.fence, state=InboxEvent.State.LEASED)
    opened = False
    while not over.wait(every):
        opened = True
        try:
            if not mine.update(next_try_at=clock() + LEASE):
                break  # Somebody else has it; settling will say so.
        except Error:  # Also of the driver alone, when the server was restarted.
            log.warning("callback lease not renewed", exc_info=True)
            connection.close()
    if opened:
        connection.close()
