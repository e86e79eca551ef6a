"""Doorbell and sweep of the inbox. The rows are the queue; a lost message costs seconds."""

import time

import structlog
from celery import shared_task
from kombu.exceptions import OperationalError

from crm.callbacks import actions

log = structlog.get_logger("crm.callbacks")

SILENT_SECONDS = 5
_silent_until = 0.0


@shared_task
def work_inbox() -> int:
    """Work off what is due; any number of workers may run this at once."""
    return actions.work_inbox()


@shared_task
def tidy_inbox() -> int:
    """Forget handled callbacks after their keeping time."""
    return actions.forget_old_events()


def ring() -> None:
    """Ask a worker to look now; without a broker the next sweep finds the row."""
    global _silent_until
    if time.monotonic() < _silent_until:
        return
    try:
        work_inbox.apply_async(retry=False)
    except (OperationalError, OSError):
        # WeCom waits five seconds for its answer: do not knock at every callback.
        _silent_until = time.monotonic() + SILENT_SECONDS
        log.warning("callbacks.doorbell_silent")
