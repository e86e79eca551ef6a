from django.urls import path

from crm.agents import views

app_name = "agents"

urlpatterns = [
    path("me/", views.preferences, name="preferences"),
    path("me/language/", views.set_language, name="set_language"),
    path("me/theme/", views.set_theme, name="set_theme"),
]
