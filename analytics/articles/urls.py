from django.urls import path

from analytics.articles import views
from analytics.articles.api import ArticleReadingView

app_name = "articles"

urlpatterns = [
    path("reports/articles/", views.article_list, name="list"),
    path("reports/articles/export/", views.export_articles, name="export"),
    path("reports/articles/<int:material_id>/", views.article, name="article"),
    path("reports/articles/<int:material_id>/export/", views.export_article, name="export_one"),
    path("api/v1/analytics/articles/<int:material_id>", ArticleReadingView.as_view(), name="api"),
]
