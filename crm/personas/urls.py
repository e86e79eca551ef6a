from django.urls import path

from crm.personas import views

app_name = "personas"

urlpatterns = [
    path("", views.overview, name="list"),
    path("customers/<int:customer_id>/", views.card, name="card"),
    path("<slug:figure>/", views.people, name="people"),
    path("<slug:figure>/export/", views.export, name="export"),
    path("<slug:figure>/save/", views.save, name="save"),
]
