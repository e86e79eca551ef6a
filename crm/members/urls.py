from django.urls import path

from crm.members import views

app_name = "members"

urlpatterns = [
    path("customers/<int:customer_id>/", views.detail, name="detail"),
    path("customers/<int:customer_id>/card/", views.card, name="card"),
    path("customers/<int:customer_id>/give/", views.give, name="give"),
    path("<int:card_id>/end/", views.end, name="end"),
    path("<int:card_id>/use/", views.use, name="use"),
]
