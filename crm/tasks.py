"""Table of contents for Celery: one import per domain that has tasks."""

import crm.moments.tasks
import crm.outbox.tasks

__all__ = ["crm"]
