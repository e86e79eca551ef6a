from django.urls import path

from analytics.retention import views
from analytics.retention.api import RetentionView

app_name = "retention"

urlpatterns = [
    path("reports/retention/", views.retention, name="retention"),
    path("reports/retention/export/", views.export_retention, name="export"),
    path("api/v1/analytics/retention", RetentionView.as_view(), name="api"),
]
