"""Sweeps of memberships."""

from celery import shared_task
from django.utils import timezone

from crm.members import actions


@shared_task
def settle_due() -> int:
    """What began and ended with the day."""
    return actions.settle_due(now=timezone.now())
