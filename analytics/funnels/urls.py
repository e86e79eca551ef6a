from django.urls import path

from analytics.funnels import saved, tickets, views
from analytics.funnels.api import FunnelView

app_name = "funnels"

urlpatterns = [
    path("reports/funnel/", views.funnel, name="funnel"),
    path("reports/funnel/export/", views.export_funnel, name="export"),
    path("reports/funnel/saved/", saved.save, name="save_question"),
    path("reports/funnel/saved/<int:question_id>/drop/", saved.drop, name="drop_question"),
    path("reports/funnel/suggestions/", saved.suggestions, name="suggestions"),
    path("reports/question/<slug:ticket>/", tickets.progress, name="progress"),
    path("reports/question/<slug:ticket>/stop/", tickets.stop, name="stop"),
    path("api/v1/analytics/funnel", FunnelView.as_view(), name="api"),
]
