"""Table of contents for Celery: one import per domain that has tasks."""

import crm.callbacks.tasks
import crm.customers.tasks
import crm.moments.tasks
import crm.outbox.tasks

__all__ = ["crm"]
