from django.urls import path

from crm.acquisition import trial_views, views

app_name = "acquisition"

urlpatterns = [
    path("", views.welcome_list, name="welcomes"),
    path("new/", views.add_welcome, name="add_welcome"),
    path("of/<int:face_id>/", views.face_welcomes, name="face_welcomes"),
    path("<int:welcome_id>/", views.edit_welcome, name="edit_welcome"),
    path("<int:welcome_id>/trial/", trial_views.welcome_trial, name="trial"),
    path("<int:welcome_id>/trial/stop/", trial_views.stop_welcome_trial, name="stop_trial"),
]
