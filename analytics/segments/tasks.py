"""Keeping the bitmaps fresh in the background."""

from celery import shared_task
from django.utils import timezone

from analytics.segments.index.building import is_refresh_due, refresh


@shared_task
def refresh_segments() -> None:
    """Take in who changed; harmless to repeat and to run twice at once."""
    now = timezone.now()
    if is_refresh_due():
        refresh(now=now)
