from django.urls import path

from crm.tagging import views

app_name = "tagging"

urlpatterns = [
    path("", views.batch_list, name="batches"),
    path("customers/", views.tag_list, name="list"),
    path("customers/<int:customer_id>/", views.tag_customer, name="customer"),
    path("<int:batch_id>/", views.batch_detail, name="batch"),
    path("<int:batch_id>/live/", views.batch_live, name="live"),
    path("<int:batch_id>/undo/", views.undo_tags, name="undo"),
]
