"""Keeping the columns fresh in the background."""

import structlog
from celery import shared_task
from django.utils import timezone

from analytics.events.refresh import WritersBusy, is_refresh_due, refresh

log = structlog.get_logger(__name__)


@shared_task(name="analytics.events.refresh_columns")
def refresh_columns() -> None:
    """Write a new snapshot where enough facts wait; harmless to repeat."""
    if not is_refresh_due(now=timezone.now()):
        return
    try:
        refresh()
    except WritersBusy as busy:
        # Answers stay exact: newer facts are merged with each question. The next turn tries again.
        log.info("columns.refresh_postponed", reason=str(busy))
