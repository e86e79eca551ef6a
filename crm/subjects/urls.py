from django.urls import path

from crm.subjects import views

app_name = "subjects"

urlpatterns = [
    path("", views.request_list, name="list"),
    path("customers/<int:customer_id>/", views.new_request, name="new"),
    path("<int:request_id>/", views.request_detail, name="detail"),
    path("<int:request_id>/file/", views.download, name="download"),
    path("<int:request_id>/finish/", views.finish, name="finish"),
    path("<int:request_id>/refuse/", views.refuse, name="refuse"),
    path("<int:request_id>/review/", views.ask_approval, name="ask_approval"),
    path("<int:request_id>/approve/", views.approve, name="approve"),
]
