"""Table of contents for Celery: one import per domain that has tasks."""

import analytics.events.tasks
import analytics.replies.tasks
import analytics.risk.tasks
import analytics.segments.tasks
import analytics.standing.tasks

__all__ = ["analytics"]
