from django.urls import path

from crm.customers import views

app_name = "customers"

urlpatterns = [
    path("", views.customer_list, name="list"),
    path("news/", views.customer_news, name="news"),
    path("export/", views.export_customer_list, name="export"),
    path("<int:customer_id>/", views.customer_profile, name="profile"),
    path("<int:customer_id>/phone/", views.reveal_customer_phone, name="reveal"),
]
