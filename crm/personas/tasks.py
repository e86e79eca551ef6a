"""Sweeps of personas."""

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from crm.personas import keeping

LOOK_BACK = timedelta(minutes=30)


@shared_task
def keep_changed() -> int:
    """To whom something happened lately; what is told later waits for the night."""
    now = timezone.now()
    return keeping.keep_changed(now=now, since=now - LOOK_BACK)


@shared_task
def keep_all() -> int:
    """Once a day everybody: the year moves on."""
    return keeping.keep_personas(now=timezone.now())
