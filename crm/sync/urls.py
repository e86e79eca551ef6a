from django.urls import path

from crm.sync import views

app_name = "sync"

urlpatterns = [
    path("", views.health, name="health"),
    path("repairs/", views.repair_list, name="repairs"),
    path("now/", views.sync_now, name="now"),
]
