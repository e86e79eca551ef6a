from django.urls import path

from crm.identity import views

app_name = "identity"

urlpatterns = [
    path("", views.conflict_list, name="list"),
    path("<int:conflict_id>/", views.conflict_detail, name="detail"),
    path("<int:conflict_id>/merge/", views.merge_conflict, name="merge"),
    path("<int:conflict_id>/apart/", views.keep_apart, name="apart"),
]
