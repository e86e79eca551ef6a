"""Addresses of the API. Schema and documentation stand in ``config.urls``."""

from django.urls import path

from crm.api import views

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
    path("event-kinds/", views.EventKindView.as_view(), name="event_kinds"),
]
