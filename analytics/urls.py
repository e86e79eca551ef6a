"""Table of contents for Django: one line per package that has pages or API endpoints."""

from django.urls import URLPattern, URLResolver

app_name = "analytics"

urlpatterns: list[URLPattern | URLResolver] = []
