from django.urls import path

from crm.subjects import views, views_consents

app_name = "subjects"

urlpatterns = [
    path("", views.request_list, name="list"),
    path("consents/", views_consents.consent_list, name="consents"),
    path("consents/export/", views_consents.export_consents, name="consents_export"),
    path(
        "consents/customers/<int:customer_id>/",
        views_consents.customer_consents,
        name="customer_consents",
    ),
    path("customers/<int:customer_id>/", views.new_request, name="new"),
    path("<int:request_id>/", views.request_detail, name="detail"),
    path("<int:request_id>/file/", views.download, name="download"),
    path("<int:request_id>/finish/", views.finish, name="finish"),
    path("<int:request_id>/refuse/", views.refuse, name="refuse"),
    path("<int:request_id>/review/", views.ask_approval, name="ask_approval"),
    path("<int:request_id>/approve/", views.approve, name="approve"),
]
