from django.urls import path

from crm.content import trial_views, views

app_name = "content"

urlpatterns = [
    path("", views.library, name="list"),
    path("new/", views.edit_material, name="new"),
    path("export/", views.export_materials, name="export"),
    path("preview/", views.preview_material, name="preview"),
    path("pictures/<uuid:picture_id>/", views.material_picture, name="picture"),
    path("<int:material_id>/", views.material_detail, name="detail"),
    path("<int:material_id>/edit/", views.edit_material, name="edit"),
    path("<int:material_id>/archive/", views.archive_material, name="archive"),
    path("<int:material_id>/restore/", views.restore_material, name="restore"),
    path("<int:material_id>/propose/", views.propose_gold, name="propose"),
    path("<int:material_id>/gold/", views.grant_gold, name="gold"),
    path("<int:material_id>/copied/", views.copied, name="copied"),
    path("<int:material_id>/trial/", trial_views.script_trial, name="trial"),
    path("<int:material_id>/trial/stop/", trial_views.stop_script_trial, name="stop_trial"),
    path("<int:material_id>/trial/propose/", trial_views.propose_words, name="propose_words"),
]
