"""Doorbell and sweep of the outbox. The rows are the queue; a lost message costs seconds."""

import structlog
from celery import shared_task
from django.utils import timezone
from kombu.exceptions import OperationalError

from crm.outbox import dispatcher, slots

log = structlog.get_logger(__name__)


@shared_task
def dispatch_due() -> int:
    """Work off what is due; any number of workers may run this at once."""
    return dispatcher.dispatch(limit=50)


@shared_task
def dispatch_urgent() -> int:
    """Work off what cannot wait; its workers do nothing else."""
    return dispatcher.dispatch(limit=50, urgent_only=True)


@shared_task
def keep_house() -> int:
    """Once a day: forget slots of quotas that are long free."""
    return slots.forget_free(now=timezone.now())


def ring() -> None:
    """Ask a worker to look now; without a broker the next sweep finds the row."""
    try:
        dispatch_due.delay()
    except OperationalError:
        log.warning("outbox.doorbell_silent")
