from django.urls import path

from analytics.results import views
from analytics.results.api import SendResultsView

app_name = "results"

urlpatterns = [
    path("reports/sends/<int:send_id>/", views.send_results, name="send"),
    path("reports/sends/<int:send_id>/export/", views.export_results, name="export"),
    path("api/v1/analytics/sends/<int:send_id>", SendResultsView.as_view(), name="api"),
]
