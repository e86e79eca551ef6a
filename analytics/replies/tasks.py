"""Counting first replies before anybody asks."""

from celery import shared_task
from django.utils import timezone

from analytics.replies.agents import keep_counts


@shared_task
def keep_replies() -> int:
    """Count the ranges of the agents' pages."""
    return keep_counts(now=timezone.now())
