"""Addresses of imports."""

from django.urls import path

from crm.imports import views

app_name = "imports"

urlpatterns = [
    path("", views.import_list, name="list"),
    path("upload/", views.upload_file, name="upload"),
    path("<int:import_id>/", views.import_detail, name="detail"),
    path("<int:import_id>/progress/", views.import_progress, name="progress"),
    path("<int:import_id>/check/", views.check_file, name="check"),
    path("<int:import_id>/apply/", views.apply_file, name="apply"),
    path("<int:import_id>/cancel/", views.cancel_import, name="cancel"),
]
