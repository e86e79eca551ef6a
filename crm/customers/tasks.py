"""What comes true by time passing."""

from celery import shared_task
from django.utils import timezone

from crm.customers import actions


@shared_task
def record_milestones() -> int:
    """Append milestones of the last days; imports record their own at once."""
    now = timezone.now()
    return actions.record_milestones(now, since=now - actions.LOOK_BACK)


@shared_task
def recompute_stages() -> int:
    """Move customers whose life stage has changed."""
    return actions.recompute_stages(now=timezone.now())
