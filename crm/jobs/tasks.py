"""Sweeps over jobs."""

from celery import shared_task
from django.utils import timezone

from crm.jobs.actions import interrupt_silent_jobs
from crm.jobs.reports import remove_old_reports


@shared_task
def sweep_jobs() -> None:
    """Mark what no process works on any more; delete reports after their day."""
    now = timezone.now()
    interrupt_silent_jobs(now=now)
    remove_old_reports(now=now)
