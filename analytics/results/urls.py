from django.urls import path

from analytics.results import post_views, views
from analytics.results.api import PostsView, SendResultsView

app_name = "results"

urlpatterns = [
    path("reports/sends/<int:send_id>/", views.send_results, name="send"),
    path("reports/sends/<int:send_id>/export/", views.export_results, name="export"),
    path("reports/moments/", post_views.posts, name="posts"),
    path("reports/moments/export/", post_views.export_posts, name="export_posts"),
    path("reports/moments/<int:moment_id>/", post_views.moment_results, name="moment"),
    path("api/v1/analytics/moments", PostsView.as_view(), name="posts_api"),
    path("api/v1/analytics/sends/<int:send_id>", SendResultsView.as_view(), name="api"),
]
