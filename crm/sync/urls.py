from django.urls import path

from crm.sync import views

app_name = "sync"

urlpatterns = [
    path("", views.health, name="health"),
    path("now/", views.sync_now, name="now"),
]
