"""Table of contents for Celery: one import per domain that has tasks."""

import analytics.events.tasks

__all__ = ["analytics"]
