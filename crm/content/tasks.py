"""Sweeps of the content room."""

from celery import shared_task
from django.utils import timezone

from crm.content import pictures


@shared_task
def keep_house() -> int:
    """Once a day: drop pictures that no material took."""
    return pictures.forget_unused(now=timezone.now())
