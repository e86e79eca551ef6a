from django.urls import path

from crm.callbacks import views

app_name = "callbacks"

urlpatterns = [path("callback/", views.callback, name="callback")]
