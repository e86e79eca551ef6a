"""Addresses of jobs."""

from django.urls import path

from crm.jobs import views

app_name = "jobs"

urlpatterns = [
    path("", views.job_list, name="list"),
    path("rows/", views.job_rows, name="rows"),
    path("badge/", views.job_badge, name="badge"),
    path("<int:job_id>/cancel/", views.cancel_job, name="cancel"),
    path("<int:job_id>/report/", views.job_report, name="report"),
]
