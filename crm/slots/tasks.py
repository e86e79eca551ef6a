"""Sweeps of the slots: what is over is written down, what is coming is filled."""

from celery import shared_task
from django.utils import timezone

from crm.slots import filling


@shared_task
def settle_slots() -> int:
    """Write down which dates were missed or done."""
    return filling.settle(now=timezone.now())


@shared_task
def fill_slots() -> int:
    """Draft the coming fourteen days."""
    now = timezone.now()
    return filling.settle(now=now) + filling.fill_slots(now=now)
