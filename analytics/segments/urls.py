from django.urls import path

import analytics.segments.figures  # noqa: F401 - registers what can be opened
from analytics.segments import views, views_audience, views_over_time
from analytics.segments.api import SegmentCountView

app_name = "segments"

urlpatterns = [
    path("segments/", views.segment_list, name="list"),
    path("segments/add/", views.add_segment, name="add"),
    path("segments/size/", views.segment_size, name="size"),
    path("segments/<int:segment_id>/", views.segment_detail, name="detail"),
    path("segments/<int:segment_id>/edit/", views.edit_segment, name="edit"),
    path(
        "segments/<int:segment_id>/over-time/", views_over_time.segment_over_time, name="over_time"
    ),
    path("segments/audiences/<int:audience_id>/", views_audience.audience_study, name="audience"),
    path("segments/<int:segment_id>/freeze/", views.freeze_segment, name="freeze"),
    path("segments/<int:segment_id>/archive/", views.archive_segment, name="archive"),
    path("api/v1/analytics/segments/count", SegmentCountView.as_view(), name="api"),
]
