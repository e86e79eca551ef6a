from django.urls import path

from crm.callbacks import inbox_views, views

app_name = "callbacks"

urlpatterns = [
    path("callback/", views.callback, name="callback"),
    path("callbacks/", inbox_views.parked_list, name="parked"),
    path("callbacks/replay/", inbox_views.replay, name="replay"),
]
