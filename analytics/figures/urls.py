from django.urls import path

from analytics.figures import views
from analytics.figures.api import FigureView

app_name = "figures"

urlpatterns = [
    path("reports/people/<slug:figure>/", views.people, name="people"),
    path("reports/people/<slug:figure>/export/", views.export, name="export"),
    path("reports/people/<slug:figure>/audience/", views.save_audience, name="save_audience"),
    path("api/v1/analytics/people/<slug:figure>", FigureView.as_view(), name="api"),
]
