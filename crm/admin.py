"""Table of contents for Django admin: one import per domain that is configured there."""

import crm.agents.admin
import crm.callbacks.admin
import crm.content.admin
import crm.customers.admin
import crm.fields.admin
import crm.gate.admin
import crm.members.admin
import crm.outbox.admin
import crm.outreach.admin
import crm.personas.admin
import crm.risk.admin
import crm.statistics.admin
import crm.sync.admin
import crm.timeline.admin
import crm.worktime.admin

__all__ = ["crm"]
