"""Sweeps of mass sends: what is due stands in the rows."""

from celery import shared_task
from django.utils import timezone

from crm.outreach import following, handlers, own_sends, reminders

# Workers and commands reach the handlers through this module; importing it registers them.
__all__ = ["handlers"]


@shared_task
def follow_due() -> int:
    """Ask WeCom about every batch whose next question is due."""
    asked = 0
    for batch_id in following.due_batches(timezone.now()):
        asked += following.follow(batch_id, now=timezone.now())
    return asked


@shared_task
def count_own_sends() -> int:
    """Look for what agents sent of their own accord, and count who received it."""
    now = timezone.now()
    own_sends.find_own_sends(now=now)
    return own_sends.count_own_sends(now=now)


@shared_task
def remind_laggards() -> int:
    """Queue due reminders."""
    return reminders.remind_laggards(now=timezone.now())
