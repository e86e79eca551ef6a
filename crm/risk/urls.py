from django.urls import path

from crm.risk import views

app_name = "risk"

urlpatterns = [path("customers/<int:customer_id>/", views.card, name="card")]
