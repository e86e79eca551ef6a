from django.urls import path

from analytics.transitions import views
from analytics.transitions.api import TransitionsView

app_name = "transitions"

urlpatterns = [
    path("reports/transitions/", views.transitions, name="transitions"),
    path("reports/transitions/export/", views.export_transitions, name="export"),
    path("api/v1/analytics/transitions", TransitionsView.as_view(), name="api"),
]
