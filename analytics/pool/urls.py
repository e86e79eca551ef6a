from django.urls import path

from analytics.pool import views
from analytics.pool.api import PoolView

app_name = "pool"

urlpatterns = [
    path("reports/pool/", views.pool, name="pool"),
    path("reports/pool/export/", views.export_pool, name="export"),
    path("api/v1/analytics/pool", PoolView.as_view(), name="api"),
]
