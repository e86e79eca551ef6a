from django.urls import path

from analytics.results import (
    moment_review_views,
    post_views,
    review_views,
    variant_views,
    views,
)
from analytics.results.api import (
    GroupPostsView,
    MomentResultsView,
    PostsView,
    SendResultsView,
)

app_name = "results"

urlpatterns = [
    path("reports/sends/<int:send_id>/", views.send_results, name="send"),
    path("reports/sends/<int:send_id>/export/", views.export_results, name="export"),
    path("reports/sends/<int:send_id>/review/", review_views.send_review, name="review"),
    path("reports/sends/<int:send_id>/review/costs/", review_views.note_cost, name="cost"),
    path("reports/sends/<int:send_id>/review/costs/drop/", review_views.drop_cost, name="uncost"),
    path("reports/sends/<int:send_id>/review/lessons/", review_views.note_lesson, name="lesson"),
    path("reports/sends/<int:send_id>/review/next/", review_views.start_next, name="next"),
    path("reports/sends/<int:send_id>/review/export/", review_views.export_review, name="file"),
    path(
        "api/v1/analytics/sends/<int:send_id>/review",
        review_views.ReviewView.as_view(),
        name="review_api",
    ),
    path("reports/trials/<int:trial_id>/", variant_views.trial_results, name="trial"),
    path("reports/trials/<int:trial_id>/export/", variant_views.export_trial, name="trial_file"),
    path(
        "api/v1/analytics/trials/<int:trial_id>",
        variant_views.TrialResultsView.as_view(),
        name="trial_api",
    ),
    path("reports/moments/", post_views.posts, name="posts"),
    path("reports/moments/export/", post_views.export_posts, name="export_posts"),
    path("reports/moments/<int:moment_id>/", post_views.moment_results, name="moment"),
    path("reports/moments/<int:moment_id>/export/", post_views.export_moment, name="moment_file"),
    path(
        "reports/moments/<int:moment_id>/review/",
        moment_review_views.review_moment,
        name="moment_review",
    ),
    path(
        "reports/moments/<int:moment_id>/review/costs/",
        moment_review_views.note_cost,
        name="moment_cost",
    ),
    path(
        "reports/moments/<int:moment_id>/review/costs/drop/",
        moment_review_views.drop_cost,
        name="moment_uncost",
    ),
    path(
        "reports/moments/<int:moment_id>/review/lessons/",
        moment_review_views.note_lesson,
        name="moment_lesson",
    ),
    path(
        "reports/moments/<int:moment_id>/review/next/",
        moment_review_views.start_next,
        name="moment_next",
    ),
    path(
        "reports/moments/<int:moment_id>/review/export/",
        moment_review_views.export_review,
        name="moment_review_file",
    ),
    path(
        "api/v1/analytics/moments/<int:moment_id>/review",
        moment_review_views.MomentReviewView.as_view(),
        name="moment_review_api",
    ),
    path(
        "api/v1/analytics/moments/<int:moment_id>", MomentResultsView.as_view(), name="moment_api"
    ),
    path("api/v1/analytics/moments", PostsView.as_view(), name="posts_api"),
    path("api/v1/analytics/sends/<int:send_id>", SendResultsView.as_view(), name="api"),
    path(
        "api/v1/analytics/sends/<int:send_id>/groups",
        GroupPostsView.as_view(),
        name="groups_api",
    ),
]
