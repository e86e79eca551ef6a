"""Bulk tagging in the worker: the waiting job is the queue, the task only the doorbell."""

import structlog
from celery import shared_task
from django.utils import timezone
from kombu.exceptions import OperationalError

from crm.jobs.models import Job
from crm.tagging import audience_tags, bulk

log = structlog.get_logger("crm.tagging")


@shared_task
def run_tagging(job_id: int) -> None:
    """Carry out one bulk edit. A second delivery finds the job claimed and leaves it."""
    bulk.run_tagging(job_id, now=timezone.now())


@shared_task
def run_waiting_tagging() -> None:
    """Find what a lost message would have started."""
    waiting = Job.unsafe_all.filter(state=Job.State.WAITING, kind=Job.Kind.TAG)
    for job_id in waiting.order_by("pk").values_list("pk", flat=True)[:20]:
        run_tagging.delay(job_id)


@shared_task
def keep_audience_tags() -> int:
    """Put tags of audiences back in step; returns relations that change."""
    return audience_tags.keep_all()


def ring(job_id: int) -> None:
    """Ask a worker to look now; without a broker the next sweep finds the job."""
    try:
        run_tagging.apply_async([job_id], retry=False)
    except (OperationalError, OSError):
        log.warning("tagging.doorbell_silent", job=job_id)
