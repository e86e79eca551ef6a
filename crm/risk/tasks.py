"""Sweeps of the risk."""

from celery import shared_task
from django.utils import timezone

from crm.risk import keeping


@shared_task
def keep_due() -> int:
    """Everybody once a day, and at once under a new version or without a withdrawn one."""
    now = timezone.now()
    return keeping.keep_risks(now=now) if keeping.is_due(now) else 0
