"""Paths as people use them: bands, tables, panel, both languages, both themes, phone width."""

import pytest
from playwright.sync_api import expect

from crm.agents.access import Role
from tests.browser.conftest import assert_accessible, assert_fits, shot
from tests.factories import make_customer, make_fact

URL = "/reports/paths/?event=friend_added&window=7d&depth=3&top=4"
KINDS = ("group_joined", "message_received", "order_paid", "group_left")


@pytest.fixture(autouse=True)
def _friends(settings, tmp_path, transactional_db):
    settings.COLUMNS_DIR = tmp_path / "columns"
    for number in range(40):
        customer = make_customer()
        make_fact(customer, "friend_added", 0)
        for day in range(number % 4):
            make_fact(customer, KINDS[(number + day * 3) % 4], 1 + day)


@pytest.mark.parametrize(
    ("size", "theme", "language"), [("wide", "dark", "en"), ("phone", "light", "zh-hans")]
)
def test_the_page_is_readable_and_a_number_opens_its_people(page_for, size, theme, language):
    page = page_for(Role.OPERATOR, size=size, theme=theme, language=language)
    page.goto(URL)
    expect(page.locator("#paths-chart[data-drawn]")).to_be_visible()
    assert_accessible(page)
    assert_fits(page)
    shot(page, f"paths-{size}-{theme}-{language}", full=True)
    number = page.locator("a.figure[href*='next=']").first
    number.click()
    people = page.locator("#panel-body [data-person]")
    expect(people).to_have_count(int(number.inner_text()))
