"""Table of contents for Django: one line per domain that has tables."""

import crm.acquisition.models
import crm.agents.models
import crm.api.models
import crm.archive.models
import crm.articles.models
import crm.audiences.models
import crm.callbacks.models
import crm.catalog.models
import crm.content.models
import crm.customers.models
import crm.customers.talks
import crm.datasets.models
import crm.faces.models
import crm.fields.models
import crm.followup.models
import crm.gate.models
import crm.groups.models
import crm.handover.models
import crm.imports.models
import crm.jobs.models
import crm.links.models
import crm.members.models
import crm.moments.models
import crm.outbox.models
import crm.outreach.models
import crm.personas.models
import crm.reviews.models
import crm.risk.models
import crm.slots.models
import crm.statistics.models
import crm.subjects.models
import crm.sync.models
import crm.tagging.models
import crm.timeline.models
import crm.trials.models
import crm.worktime.models

__all__ = ["crm"]
