from django.urls import path

from analytics.standing import views
from analytics.standing.api import JourneyView

app_name = "standing"

urlpatterns = [
    path("reports/journey/", views.journey, name="journey"),
    path("reports/journey/export/", views.export_journey, name="export"),
    path("api/v1/analytics/journey", JourneyView.as_view(), name="api"),
]
