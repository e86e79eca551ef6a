"""Sweeps of the moments room: what is due stands in the rows."""

from celery import shared_task
from django.utils import timezone

from crm.moments import actions, following, handlers, images, reminders

# Workers and commands reach the handlers through this module; importing it registers them.
__all__ = ["handlers"]


@shared_task
def follow_due() -> int:
    """Ask WeCom about every moment whose next question is due."""
    asked = 0
    for moment_id in following.due_moments(timezone.now()):
        asked += following.follow(moment_id, now=timezone.now())
    return asked


@shared_task
def remind_laggards() -> int:
    """Queue due reminders."""
    return reminders.remind_laggards(now=timezone.now())


@shared_task
def keep_house() -> int:
    """Once a day: recompute instants from wall times, drop uploads that nobody used."""
    return actions.recompute_schedules() + images.forget_unused(now=timezone.now())
