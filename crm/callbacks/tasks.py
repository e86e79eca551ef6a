"""Doorbell and sweep of the inbox. The rows are the queue; a lost message costs seconds."""

import threading
import time
from collections.abc import Sequence

import structlog
from celery import shared_task
from django.utils import timezone
from kombu.exceptions import OperationalError

from crm.archive import tasks as archive
from crm.callbacks import actions
from crm.outbox import dispatcher

log = structlog.get_logger("crm.callbacks")

SILENT_SECONDS = 5
WELCOME_SECONDS = 20
ARCHIVE_SECONDS = 15  # Then the timetable has rung by itself.
PAUSE_SECONDS = 0.02
_silent_until = 0.0


@shared_task
def work_inbox() -> int:
    """Work off what is due; any number of workers may run this at once."""
    return actions.work_inbox()


@shared_task
def greet(digest: str) -> None:
    """Send the welcome of a callback that has just come in, ahead of everything else."""
    actions.greet_kept(bytes.fromhex(digest), now=timezone.now())
    dispatcher.dispatch(limit=4, urgent_only=True)


@shared_task
def tidy_inbox() -> int:
    """Forget handled callbacks after their keeping time."""
    return actions.forget_old_events()


def ring(*, greeting: bytes | None = None, archive_bell: bool = False) -> None:
    """Ask a worker to look; whoever answers WeCom does not wait for the broker.

    ``greeting`` is the digest of a message with a welcome code, which has workers of its own;
    ``archive_bell``: there are new messages in the chat archive.
    """
    _doorbell.ring(greeting, archive_bell)


def knock(greetings: Sequence[bytes] = (), *, archive_bell: bool = False) -> None:
    """Tell the broker now; without one the next sweep finds the rows."""
    global _silent_until
    if time.monotonic() < _silent_until:
        return
    try:
        for digest in greetings:
            greet.apply_async((digest.hex(),), retry=False, expires=WELCOME_SECONDS)
        if archive_bell:
            archive.pull.apply_async(retry=False, expires=ARCHIVE_SECONDS)
        work_inbox.apply_async(retry=False)
    except (OperationalError, OSError):
        # It may take seconds to find out that nobody is there: do not try at every callback.
        _silent_until = time.monotonic() + SILENT_SECONDS
        log.warning("callbacks.doorbell_silent")


def is_ringing() -> bool:
    """Whether somebody rang for whom nobody has knocked yet."""
    return _doorbell.asked != _doorbell.answered


class Doorbell:
    """A thread that knocks once for all who rang during a short pause."""

    def __init__(self) -> None:
        self.asked = self.answered = 0
        self._greetings: list[bytes] = []
        self._archive_bell = False
        self._rung, self._lock = threading.Event(), threading.Lock()
        self._thread: threading.Thread | None = None

    def ring(self, greeting: bytes | None, archive_bell: bool) -> None:
        with self._lock:
            self.asked += 1
            self._archive_bell |= archive_bell
            self._greetings += [greeting] if greeting else []
            self._rung.set()
            if self._thread is None or not self._thread.is_alive():  # Also after a fork.
                self._thread = threading.Thread(target=self._run, name="doorbell", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            self._rung.wait()
            time.sleep(PAUSE_SECONDS)
            with self._lock:
                self._rung.clear()
                asked, greetings = self.asked, self._greetings
                archive_bell, self._archive_bell = self._archive_bell, False
                self._greetings = []
            try:
                knock(greetings, archive_bell=archive_bell)
            except Exception:  # The next ring must find somebody who listens.
                log.exception("callbacks.doorbell_broken")
            self.answered = asked


_doorbell = Doorbell()
