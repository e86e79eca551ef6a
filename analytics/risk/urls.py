from django.urls import path

from analytics.risk import views
from analytics.risk.api import RiskView

app_name = "risk"

urlpatterns = [
    path("reports/risk/", views.risk, name="risk"),
    path("reports/risk/export/", views.export, name="export"),
    path("api/v1/analytics/risk", RiskView.as_view(), name="api"),
]
