"""Table of contents for Celery: one import per domain that has tasks."""

import crm.api.tasks
import crm.archive.tasks
import crm.callbacks.tasks
import crm.content.tasks
import crm.customers.tasks
import crm.followup.tasks
import crm.handover.tasks
import crm.identity.tasks
import crm.imports.tasks
import crm.jobs.tasks
import crm.members.tasks
import crm.moments.tasks
import crm.outbox.tasks
import crm.outreach.tasks
import crm.personas.tasks
import crm.risk.tasks
import crm.slots.tasks
import crm.subjects.tasks
import crm.sync.tasks
import crm.tagging.tasks

__all__ = ["crm"]
