"""The library's form in a real browser: what is typed is judged beside it."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from crm.agents.access import Role
from crm.content import actions
from crm.content.actions import MaterialContent
from crm.content.models import FactRule, SensitiveWord
from tests.browser.conftest import assert_accessible, assert_fits, shot
from tests.factories import make_user

pytestmark = pytest.mark.django_db(transaction=True)


def product(author):
    FactRule.objects.create(
        code="silver", name="银发", age_from=60, facts=["drive", "room"],
        valid_from=timezone.now() - timedelta(days=1),
    )  # fmt: skip
    written = MaterialContent(
        kind="product", tier="company", title="厦门卡片", text="步行{{步行}}，错峰出发",
        link_url="https://shop.example/p/1", link_title="厦门五日", price_cents=388_000,
        walk_metres=800,
    )  # fmt: skip
    return actions.write(material=None, content=written, by=author, now=timezone.now())


@pytest.mark.parametrize(
    ("size", "language", "theme"), [("wide", "zh-hans", "light"), ("phone", "en", "dark")]
)
def test_pages_fit_and_are_accessible(page_for, size, language, theme):
    operator = make_user(Role.OPERATOR, username="yunying")
    material = product(operator)
    page = page_for(operator, size=size, language=language, theme=theme)
    for name, path in (
        ("new", reverse("crm:content:new")),
        ("edit", reverse("crm:content:edit", args=[material.pk])),
        ("detail", reverse("crm:content:detail", args=[material.pk])),
        ("list", reverse("crm:content:list")),
    ):
        page.goto(path)
        assert_fits(page)
        assert_accessible(page)
        shot(page, f"content-{name}-{size}-{language}-{theme}", full=True)


def test_what_is_typed_is_judged_beside_the_form(page_for):
    SensitiveWord.objects.create(word="最低价")
    page = page_for(make_user(Role.OPERATOR, username="yunying"))
    page.goto(reverse("crm:content:new"))
    lint = page.locator("#lint")
    page.locator("#id_text").fill("全网最低价 {{phone|x}}")
    expect(lint).to_contain_text("敏感词「最低价」")
    expect(lint).to_contain_text("没有变量「phone」")
    expect(lint).to_contain_text("27 / 4,000")
    page.locator("#id_text").fill("早安")
    expect(lint).to_contain_text("没有发现问题")


def test_a_kind_shows_the_parts_that_it_has_and_hides_nothing_that_was_written(page_for):
    page = page_for(make_user(Role.OPERATOR, username="yunying"))
    page.goto(reverse("crm:content:new"))
    kind, price = page.locator("#id_kind"), page.locator("#id_price")
    card, blocks = (
        page.locator(f"[aria-labelledby={name}-title]") for name in ("product", "blocks")
    )
    expect(card).to_be_hidden()
    expect(blocks).to_be_hidden()
    kind.select_option("product")
    expect(card).to_be_visible()
    price.fill("3880")
    kind.select_option("article")
    expect(blocks).to_be_visible()
    expect(price).to_be_visible()
    price.fill("")
    kind.select_option("text")
    expect(card).to_be_hidden()
    expect(blocks).to_be_hidden()
