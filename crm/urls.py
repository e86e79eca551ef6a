"""Table of contents for Django: one line per domain that has pages or API endpoints."""

from django.urls import URLPattern, URLResolver

app_name = "crm"

urlpatterns: list[URLPattern | URLResolver] = []
