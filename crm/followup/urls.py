from django.urls import path

from crm.followup import views

app_name = "followup"

urlpatterns = [
    path("", views.queue, name="queue"),
    path("export/", views.export, name="export"),
    path("customers/<int:customer_id>/", views.next_step, name="next"),
    path("<int:follow_up_id>/complete/", views.complete, name="complete"),
    path("<int:follow_up_id>/skip/", views.skip, name="skip"),
    path("<int:follow_up_id>/snooze/", views.snooze, name="snooze"),
]
