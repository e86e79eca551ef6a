from django.urls import path

from analytics.paths import views
from analytics.paths.api import PathsView

app_name = "paths"

urlpatterns = [
    path("reports/paths/", views.paths, name="paths"),
    path("reports/paths/export/", views.export_paths, name="export"),
    path("api/v1/analytics/paths", PathsView.as_view(), name="api"),
]
