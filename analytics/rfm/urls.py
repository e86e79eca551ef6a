from django.urls import path

from analytics.rfm import views
from analytics.rfm.api import RfmView

app_name = "rfm"

urlpatterns = [
    path("reports/layers/", views.grid, name="grid"),
    path("reports/layers/export/", views.export_grid, name="export"),
    path("api/v1/analytics/layers", RfmView.as_view(), name="api"),
]
