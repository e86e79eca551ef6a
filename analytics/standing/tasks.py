"""Keeping cubes small, and proving every night that they are right."""

from celery import shared_task
from django.utils import timezone

from analytics.standing.actions import merge_cubes
from analytics.standing.proof import prove


@shared_task
def merge() -> None:
    """Add up what was appended to the cubes; harmless to repeat."""
    merge_cubes()


@shared_task
def prove_and_repair() -> None:
    """Every night: cube = state = full fold. What differed is written down and repaired."""
    prove(now=timezone.now(), repair=True)
