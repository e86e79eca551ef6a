from django.urls import path

from crm.slots import views

app_name = "slots"

urlpatterns = [
    path("", views.slot_list, name="list"),
    path("new/", views.edit_slot, name="new"),
    path("<int:slot_id>/", views.slot_detail, name="detail"),
    path("<int:slot_id>/edit/", views.edit_slot, name="edit"),
    path("<int:slot_id>/archive/", views.archive_slot, name="archive"),
    path("<int:slot_id>/restore/", views.restore_slot, name="restore"),
]
