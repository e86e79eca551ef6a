from django.urls import path

from crm.archive import views

app_name = "archive"

urlpatterns = [
    path("", views.home, name="home"),
    path("readings/<int:reading_id>/", views.reading, name="reading"),
    path("readings/<int:reading_id>/files/<int:media_id>/", views.media_file, name="file"),
]
