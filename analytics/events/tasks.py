"""Keeping the columns fresh in the background."""

import structlog
from celery import shared_task
from django.utils import timezone

from analytics.events.compiling import compile_in_a_process, is_compiled
from analytics.events.refresh import WritersBusy, is_refresh_due, refresh

log = structlog.get_logger(__name__)


@shared_task
def refresh_columns() -> None:
    """Write a new snapshot where enough facts wait; harmless to repeat."""
    if not is_refresh_due(now=timezone.now()):
        return
    try:
        refresh()
    except WritersBusy as busy:
        # Answers stay exact: newer facts are merged with each question. The next turn tries again.
        log.info("columns.refresh_postponed", reason=str(busy))


@shared_task
def compile_kernel() -> None:
    """Once per installation and version, before the first question has to wait for it."""
    if not is_compiled():
        compile_in_a_process()
