"""Sweeps of follow-ups."""

from celery import shared_task
from django.utils import timezone

from crm.followup import finding


@shared_task
def find_reasons() -> int:
    """Raise what is new, settle what is over."""
    return finding.find_reasons(now=timezone.now(), reasons=finding.QUICK)


@shared_task
def keep_house() -> int:
    """Once a day: who has gone quiet, and what is old enough to forget."""
    now = timezone.now()
    return finding.find_reasons(now=now, reasons=finding.SLOW) + finding.forget_old(now=now)
