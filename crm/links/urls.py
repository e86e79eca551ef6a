from django.urls import path

from crm.links import views

app_name = "links"

urlpatterns = [
    path("links/", views.link_list, name="list"),
    path("links/<int:link_id>/", views.link_detail, name="detail"),
    path("links/<int:link_id>/export/", views.export_days, name="export"),
    path("links/<int:link_id>/close/", views.close_link, name="close"),
    path("l/<slug:code>/", views.go, name="go"),
]
