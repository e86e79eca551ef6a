from django.urls import path

from analytics.replies import views
from analytics.replies.api import RepliesView

app_name = "replies"

urlpatterns = [
    path("reports/replies/", views.replies, name="replies"),
    path("reports/replies/export/", views.export_replies, name="export"),
    path("api/v1/analytics/replies", RepliesView.as_view(), name="api"),
]
