"""Imports in the worker: the waiting job is the queue, the task only the doorbell."""

import structlog
from celery import shared_task
from django.utils import timezone
from kombu.exceptions import OperationalError

from crm.imports import actions
from crm.jobs.models import Job

log = structlog.get_logger("crm.imports")


@shared_task
def run_import(job_id: int) -> None:
    """Check or take in one file. A second delivery finds the job claimed and leaves it."""
    actions.run_import(job_id, now=timezone.now())


@shared_task
def run_waiting_imports() -> None:
    """Find what a lost message would have started."""
    kinds = [Job.Kind.IMPORT_CHECK, Job.Kind.IMPORT]
    waiting = Job.unsafe_all.filter(state=Job.State.WAITING, kind__in=kinds)
    for job_id in waiting.order_by("pk").values_list("pk", flat=True)[:20]:
        run_import.delay(job_id)


@shared_task
def remove_old_files() -> None:
    """Uploaded files go a day after their last step."""
    actions.remove_old_files(now=timezone.now())


def ring(job_id: int) -> None:
    """Ask a worker to look now; without a broker the next sweep finds the job."""
    try:
        run_import.apply_async([job_id], retry=False)
    except (OperationalError, OSError):
        log.warning("imports.doorbell_silent", job=job_id)
