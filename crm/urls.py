"""Table of contents for Django: one line per domain that has pages or API endpoints."""

from django.urls import URLPattern, URLResolver, include, path

app_name = "crm"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("crm.agents.urls")),
    path("audiences/", include("crm.audiences.urls")),
    path("customers/", include("crm.customers.urls")),
    path("groups/", include("crm.groups.urls")),
    path("wecom/", include("crm.callbacks.urls")),
]
