from django.urls import path, register_converter

from crm.articles import views
from crm.articles.models import CODE_CHARS
from crm.links.actions import ALPHABET


class ArticleCode:
    """The code of an article's address, which is longer than that of a short link."""

    regex = f"[{ALPHABET}]{{{CODE_CHARS}}}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(ArticleCode, "article")

app_name = "articles"

urlpatterns = [
    path("content/<int:material_id>/links/", views.article_links, name="links"),
    path("content/<int:material_id>/links/close/", views.close_link, name="close"),
    path("l/<article:code>/", views.read_article, name="read"),
    path("l/<article:code>/read/", views.note_reading, name="reading"),
    path("l/<article:code>/<int:position>/", views.follow_button, name="go"),
    path("l/<article:code>/pictures/<uuid:picture_id>/", views.article_picture, name="picture"),
]
