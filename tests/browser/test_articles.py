"""An article in a real browser: how long it was in view and how far, told by its own script."""

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from crm.agents.access import Role
from crm.articles.actions import make_link
from crm.articles.models import ArticleClick, ArticleView
from crm.content.blocks import Block
from tests.browser.conftest import assert_accessible, assert_fits, shot
from tests.crm.test_content_articles import article, card, shows
from tests.factories import make_user
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)
PHONE = {"User-Agent": "Mozilla/5.0 (iPhone) MicroMessenger/8.0"}
LONG = "慢慢走，沿着海边的木栈道，风从椰林里吹过来。" * 60


@pytest.fixture
def operator():
    return make_user(Role.OPERATOR, username="yunying")


@pytest.fixture
def material(operator):
    product = card(operator, drive_minutes=150, walk_metres=800, room="电梯房")
    return article(
        operator, Block("heading", "去哪里"), Block("text", LONG), shows(product, "看行程")
    )


@pytest.fixture
def link(operator, material):
    return make_link(material=material, place="chat", by=operator, now=timezone.now())


def test_reading_is_told_when_the_page_is_left(visitor_page, link):
    page = visitor_page(size="phone")
    page.set_extra_http_headers(PHONE)
    page.goto(reverse("crm:articles:read", args=[link.code]))
    expect(page.locator("h1")).to_have_text("三亚慢游五日")
    view = ArticleView.objects.get()
    assert view.read_ms is None
    page.evaluate("document.querySelector('.article-button').scrollIntoView()")
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    page.goto("about:blank")
    eventually(lambda: ArticleView.objects.get().read_ms is not None)
    view.refresh_from_db()
    passed = (timezone.now() - view.opened_at).total_seconds() * 1000
    assert 0 < view.read_ms <= passed
    assert view.depth == 100


def test_without_script_the_page_reads_and_its_button_counts(visitor_page, windows, link):
    page = visitor_page(size="phone")
    page.set_extra_http_headers(PHONE)
    windows.forgive("reading.js")
    windows.forgive("ERR_FAILED")
    page.route("**/reading.js", lambda route: route.abort())
    page.goto(reverse("crm:articles:read", args=[link.code]))
    button = page.get_by_role("link", name="看行程")
    assert str(ArticleView.objects.get().pk) in button.get_attribute("href")
    answer = page.request.get(button.get_attribute("href"), headers=PHONE, max_redirects=0)
    assert answer.headers["location"] == "https://shop.example/sanya"
    assert ArticleClick.objects.get().position == 3
    assert ArticleView.objects.get().read_ms is None


@pytest.mark.parametrize(
    ("size", "language", "theme"), [("wide", "zh-hans", "light"), ("phone", "en", "dark")]
)
def test_pages_fit_and_are_accessible(page_for, operator, material, link, size, language, theme):
    page = page_for(operator, size=size, language=language, theme=theme)
    for name, path in (
        ("edit", reverse("crm:content:edit", args=[material.pk])),
        ("detail", reverse("crm:content:detail", args=[material.pk])),
        ("links", reverse("crm:articles:links", args=[material.pk])),
        ("page", reverse("crm:articles:read", args=[link.code])),
        ("report", reverse("analytics:articles:article", args=[material.pk])),
        ("reports", reverse("analytics:articles:list")),
    ):
        page.goto(path)
        assert_fits(page)
        assert_accessible(page)
        shot(page, f"article-{name}-{size}-{language}-{theme}", full=True)
