from django.urls import path

from analytics.dashboards import views

app_name = "dashboards"

urlpatterns = [
    path("", views.today, name="today"),
    path("today/live/", views.today_live, name="today_live"),
    path("today/work/", views.today_work, name="today_work"),
    path("reports/agents/", views.agents, name="agents"),
    path("reports/agents/<int:agent_id>/", views.agent_card, name="agent"),
]
