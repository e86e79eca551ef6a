from django.urls import path

from crm.outbox import views

app_name = "outbox"

urlpatterns = [
    path("", views.outbox_list, name="list"),
    path("<int:item_id>/", views.outbox_detail, name="detail"),
    path("<int:item_id>/adopt/", views.adopt_item, name="adopt"),
    path("<int:item_id>/abandon/", views.abandon_item, name="abandon"),
]
