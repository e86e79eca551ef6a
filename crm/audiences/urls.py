from django.urls import path

from crm.audiences import views

app_name = "audiences"

urlpatterns = [
    path("", views.audience_list, name="list"),
    path("<int:audience_id>/", views.audience_detail, name="detail"),
    path("<int:audience_id>/export/", views.export_audience, name="export"),
]
