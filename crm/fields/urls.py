from django.urls import path

from crm.fields import views

app_name = "fields"

urlpatterns = [
    path("customers/<int:customer_id>/", views.card, name="card"),
    path("customers/<int:customer_id>/edit/", views.edit, name="edit"),
]
