"""Approved erasures, and the nightly end of what is old."""

from celery import shared_task
from django.utils import timezone

from crm.subjects import actions, keeping


@shared_task
def run_waiting_erasures() -> int:
    """Erase whoever was approved; a killed run waits for a person again."""
    actions.note_interrupted()
    return sum(actions.run_erasure(pk, now=timezone.now()) for pk in actions.waiting_erasures())


@shared_task
def forget_old() -> int:
    """Delete rows past the time that their table declares."""
    return sum(keeping.forget_old(now=timezone.now()).values())
