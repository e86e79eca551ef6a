from django.urls import path

from crm.moments import step_views, views

app_name = "moments"

urlpatterns = [
    path("", views.moment_calendar, name="calendar"),
    path("new/", views.compose_moment, name="new"),
    path("plan/", views.plan_moment, name="plan"),
    path("images/<uuid:image_id>/", views.moment_image, name="image"),
    path("<int:moment_id>/", views.moment_detail, name="detail"),
    path("<int:moment_id>/live/", views.moment_live, name="live"),
    path("<int:moment_id>/people/", views.moment_people, name="people"),
    path("<int:moment_id>/edit/", views.compose_moment, name="edit"),
    path("<int:moment_id>/submit/", step_views.submit_moment, name="submit"),
    path("<int:moment_id>/approve/", step_views.approve_moment, name="approve"),
    path("<int:moment_id>/reject/", step_views.reject_moment, name="reject"),
    path("<int:moment_id>/move/", step_views.reschedule_moment, name="reschedule"),
    path("<int:moment_id>/cancel/", step_views.cancel_moment, name="cancel"),
    path("<int:moment_id>/copy/", step_views.duplicate_moment, name="duplicate"),
    path("<int:moment_id>/remind/", step_views.remind_moment, name="remind"),
]
