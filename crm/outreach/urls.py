from django.urls import path

from crm.outreach import views, views_opt_out, views_rules

app_name = "outreach"

urlpatterns = [
    path("", views.send_list, name="list"),
    path("new/", views.compose_send, name="new"),
    path("opt-outs/", views_opt_out.opt_out_list, name="opt_outs"),
    path("opt-outs/export/", views_opt_out.export_opt_outs, name="opt_outs_export"),
    path("opt-outs/<int:customer_id>/", views_opt_out.opt_out_customer, name="opt_out"),
    path("opt-outs/<int:customer_id>/lift/", views_opt_out.lift_opt_out, name="opt_in"),
    path("rules/", views_rules.rule_list, name="rules"),
    path("rules/replays/<int:replay_id>/", views_rules.replay_detail, name="replay"),
    path("rules/replays/<int:replay_id>/live/", views_rules.replay_live, name="replay_live"),
    path("rules/replays/<int:replay_id>/export/", views_rules.export_replay, name="replay_export"),
    path("plan/", views.plan_send, name="plan"),
    path("<int:send_id>/", views.send_detail, name="detail"),
    path("<int:send_id>/edit/", views.compose_send, name="edit"),
    path("<int:send_id>/submit/", views.submit_send, name="submit"),
    path("<int:send_id>/approve/", views.approve_send, name="approve"),
    path("<int:send_id>/reject/", views.reject_send, name="reject"),
    path("<int:send_id>/remind/", views.remind_send, name="remind"),
    path("<int:send_id>/stop/", views.stop_send, name="stop"),
]
