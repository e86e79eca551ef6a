"""What evidence decides without a person, and what it cannot."""

from celery import shared_task
from django.utils import timezone

from crm.identity import actions


@shared_task
def merge_agreeing() -> int:
    """Merge whose evidence agrees; returns how many."""
    return actions.merge_agreeing(now=timezone.now())


@shared_task
def note_same_phones() -> int:
    """Once a day: pairs with the same phone go to a person."""
    return actions.note_same_phones(now=timezone.now())
