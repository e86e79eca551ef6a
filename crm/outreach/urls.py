from django.urls import path

from crm.outreach import views

app_name = "outreach"

urlpatterns = [
    path("", views.send_list, name="list"),
    path("new/", views.compose_send, name="new"),
    path("plan/", views.plan_send, name="plan"),
    path("<int:send_id>/", views.send_detail, name="detail"),
    path("<int:send_id>/edit/", views.compose_send, name="edit"),
    path("<int:send_id>/submit/", views.submit_send, name="submit"),
    path("<int:send_id>/approve/", views.approve_send, name="approve"),
    path("<int:send_id>/reject/", views.reject_send, name="reject"),
    path("<int:send_id>/remind/", views.remind_send, name="remind"),
    path("<int:send_id>/stop/", views.stop_send, name="stop"),
]
