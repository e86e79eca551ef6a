"""Housekeeping of the API."""

from celery import shared_task
from django.utils import timezone

from crm.api.idempotency import forget_old_answers


@shared_task
def forget_answers() -> None:
    """Drop kept answers older than a day."""
    forget_old_answers(now=timezone.now())
