"""Table of contents for Django: one line per package that has pages or API endpoints."""

from django.urls import URLPattern, URLResolver, include, path

app_name = "analytics"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("analytics.assets.urls")),
    path("", include("analytics.dashboards.urls")),
    path("", include("analytics.figures.urls")),
    path("", include("analytics.funnels.urls")),
    path("", include("analytics.replies.urls")),
    path("", include("analytics.paths.urls")),
    path("", include("analytics.pool.urls")),
    path("", include("analytics.standing.urls")),
    path("", include("analytics.articles.urls")),
    path("", include("analytics.results.urls")),
    path("", include("analytics.retention.urls")),
    path("", include("analytics.rfm.urls")),
    path("", include("analytics.risk.urls")),
    path("", include("analytics.segments.urls")),
    path("", include("analytics.transitions.urls")),
]
