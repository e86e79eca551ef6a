"""Table of contents for Django: one line per domain that has pages or API endpoints."""

from django.urls import URLPattern, URLResolver, include, path

app_name = "crm"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("crm.agents.urls")),
    path("api/v1/", include("crm.api.urls")),
    # Before the short links, whose codes are shorter: its own would match them, too.
    path("", include("crm.articles.urls")),
    path("archive/", include("crm.archive.urls")),
    path("audiences/", include("crm.audiences.urls")),
    path("content/", include("crm.content.urls")),
    path("customers/", include("crm.customers.urls")),
    path("depth/", include("crm.depth.urls")),
    path("faces/", include("crm.faces.urls")),
    path("fields/", include("crm.fields.urls")),
    path("follow-ups/", include("crm.followup.urls")),
    path("groups/", include("crm.groups.urls")),
    path("handovers/", include("crm.handover.urls")),
    path("identity/", include("crm.identity.urls")),
    path("imports/", include("crm.imports.urls")),
    path("jobs/", include("crm.jobs.urls")),
    path("", include("crm.links.urls")),
    path("members/", include("crm.members.urls")),
    path("moments/", include("crm.moments.urls")),
    path("outbox/", include("crm.outbox.urls")),
    path("personas/", include("crm.personas.urls")),
    path("risk/", include("crm.risk.urls")),
    path("sends/", include("crm.outreach.urls")),
    path("plan/", include("crm.planner.urls")),
    path("slots/", include("crm.slots.urls")),
    path("subject-requests/", include("crm.subjects.urls")),
    path("sync/", include("crm.sync.urls")),
    path("tags/", include("crm.tagging.urls")),
    path("welcomes/", include("crm.acquisition.urls")),
    path("wecom/", include("crm.callbacks.urls")),
]
