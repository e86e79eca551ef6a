"""Addresses of the API. Schema and documentation stand in ``config.urls``."""

from django.urls import path

from crm.api import views, views_materials

app_name = "api"

urlpatterns = [
    path("customers/", views.CustomerBatchView.as_view(), name="customers"),
    path(
        "customers/<str:customer_no>/fields/",
        views.CustomerFieldsView.as_view(),
        name="customer_fields",
    ),
    path("orders/", views.OrderBatchView.as_view(), name="orders"),
    path("members/", views.MemberBatchView.as_view(), name="members"),
    path("events/", views.EventBatchView.as_view(), name="events"),
    path("materials/", views_materials.MaterialListView.as_view(), name="materials"),
    path(
        "materials/<int:material_id>/",
        views_materials.MaterialDetailView.as_view(),
        name="material",
    ),
    path("event-kinds/", views.EventKindView.as_view(), name="event_kinds"),
]
