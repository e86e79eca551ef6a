from django.urls import path

from crm.tagging import views, views_audience

app_name = "tagging"

urlpatterns = [
    path("", views.batch_list, name="batches"),
    path("customers/", views.tag_list, name="list"),
    path("customers/<int:customer_id>/", views.tag_customer, name="customer"),
    path("audiences/<int:audience_id>/", views_audience.audience_tag, name="audience"),
    path(
        "audiences/<int:audience_id>/live/",
        views_audience.audience_tag_live,
        name="audience_live",
    ),
    path("audiences/<int:audience_id>/keep/", views_audience.keep_now, name="keep"),
    path("audiences/<int:audience_id>/follow/", views_audience.follow, name="follow"),
    path("audiences/<int:audience_id>/stop/", views_audience.stop, name="stop"),
    path("<int:batch_id>/", views.batch_detail, name="batch"),
    path("<int:batch_id>/live/", views.batch_live, name="live"),
    path("<int:batch_id>/undo/", views.undo_tags, name="undo"),
]
