from django.urls import path

from crm.customers import views, views_saved

app_name = "customers"

urlpatterns = [
    path("", views.customer_list, name="list"),
    path("news/", views.customer_news, name="news"),
    path("export/", views.export_customer_list, name="export"),
    path("views/", views_saved.create_view, name="save_view"),
    path("views/<int:view_id>/", views_saved.change_view, name="change_view"),
    path("views/<int:view_id>/delete/", views_saved.delete_view, name="delete_view"),
    path("<int:customer_id>/", views.customer_profile, name="profile"),
    path("<int:customer_id>/changes/", views.customer_changes, name="changes"),
    path("<int:customer_id>/phone/", views.reveal_customer_phone, name="reveal"),
]
