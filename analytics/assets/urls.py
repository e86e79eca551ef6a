from django.urls import path

from analytics.assets import views

app_name = "assets"

urlpatterns = [
    path("reports/data-assets/", views.assets, name="assets"),
    path("reports/data-assets/export/", views.export, name="export"),
    path("api/v1/analytics/data-assets", views.AssetsView.as_view(), name="api"),
]
