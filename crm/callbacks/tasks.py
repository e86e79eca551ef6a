"""Doorbell and sweep of the inbox. The rows are the queue; a lost message costs seconds."""

import time

import structlog
from celery import shared_task
from django.utils import timezone
from kombu.exceptions import OperationalError

from crm.callbacks import actions
from crm.outbox import dispatcher

log = structlog.get_logger("crm.callbacks")

SILENT_SECONDS = 5
WELCOME_SECONDS = 20
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


def ring(*, greeting: bytes | None = None) -> None:
    """Ask a worker to look now; without a broker the next sweep finds the row.

    ``greeting`` is the digest of a message with a welcome code, which has workers of its own.
    """
    global _silent_until
    if time.monotonic() < _silent_until:
        return
    try:
        if greeting:
            greet.apply_async((greeting.hex(),), retry=False, expires=WELCOME_SECONDS)
        work_inbox.apply_async(retry=False)
    except (OperationalError, OSError):
        # WeCom waits five seconds for its answer: do not knock at every callback.
        _silent_until = time.monotonic() + SILENT_SECONDS
        log.warning("callbacks.doorbell_silent")
