"""Following what WeCom makes of transfers."""

from celery import shared_task
from django.utils import timezone

from crm.handover import following


@shared_task
def follow_due() -> int:
    """Ask for the results that are due; returns how many transfers ended."""
    now = timezone.now()
    return sum(following.follow(pk, now=now) for pk in following.due_handovers(now))
