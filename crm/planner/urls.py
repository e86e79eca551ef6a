from django.urls import path

from crm.planner import views

app_name = "planner"

urlpatterns = [
    path("", views.calendar, name="calendar"),
    path("move/", views.move, name="move"),
]
