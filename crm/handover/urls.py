from django.urls import path

from crm.handover import views

app_name = "handover"

urlpatterns = [
    path("", views.handover_list, name="list"),
    path("new/", views.plan_handover, name="plan"),
    path("<int:handover_id>/", views.handover_detail, name="detail"),
    path("<int:handover_id>/live/", views.handover_live, name="live"),
    path("<int:handover_id>/stop/", views.stop_handover, name="stop"),
    path("<int:handover_id>/retry/", views.retry_handover, name="retry"),
]
