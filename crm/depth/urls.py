from django.urls import path

from crm.depth import views

app_name = "depth"

urlpatterns = [
    path("customers/<int:customer_id>/", views.detail, name="detail"),
    path("customers/<int:customer_id>/card/", views.card, name="card"),
]
