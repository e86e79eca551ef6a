from django.urls import path

from crm.faces import views

app_name = "faces"

urlpatterns = [
    path("", views.face_list, name="list"),
    path("new/", views.edit_face, name="new"),
    path("tones/", views.tones, name="tones"),
    path("<int:face_id>/", views.face_detail, name="detail"),
    path("<int:face_id>/edit/", views.edit_face, name="edit"),
    path("<int:face_id>/archive/", views.archive_face, name="archive"),
    path("<int:face_id>/restore/", views.restore_face, name="restore"),
    path("<int:face_id>/waiting/", views.people_to_hand, name="waiting"),
]
