"""Retention as people use it: heatmap, curve, panel, both languages, both themes, phone width."""

import pytest
from playwright.sync_api import expect

from crm.agents.access import Role
from tests.browser.conftest import assert_accessible, assert_fits, shot
from tests.factories import make_customer, make_fact

URL = "/reports/retention/?birth=order_paid&return=order_paid&from=2026-11-01"


@pytest.fixture(autouse=True)
def _buyers(settings, tmp_path, transactional_db):
    settings.COLUMNS_DIR = tmp_path / "columns"
    for number in range(40):
        customer = make_customer()
        make_fact(customer, "order_paid", number / 8)
        if number % 3 == 0:
            make_fact(customer, "order_paid", number / 8 + 8)
        if number % 5 == 0:
            make_fact(customer, "order_paid", number / 8 + 15)


@pytest.mark.parametrize(
    ("size", "theme", "language"),
    [
        ("wide", "light", "zh-hans"),
        ("wide", "dark", "en"),
        ("phone", "dark", "zh-hans"),
        ("phone", "light", "en"),
    ],
)
def test_the_page_is_readable_everywhere(page_for, size, theme, language):
    page = page_for(Role.OPERATOR, size=size, theme=theme, language=language)
    page.goto(URL)
    expect(page.locator("#retention-chart[data-drawn]")).to_be_visible()
    assert_accessible(page)
    assert_fits(page)
    shot(page, f"retention-{size}-{theme}-{language}", full=True)


def test_a_cell_opens_exactly_its_people_in_the_panel(page_for):
    page = page_for(Role.OPERATOR)
    page.goto(URL)
    number = page.locator("a.figure[href*='state=returned'][href*='at=1']").first
    number.click()
    panel = page.locator("#panel-body")
    expect(panel.locator("[data-person]")).to_have_count(int(number.inner_text()))
    page.keyboard.press("Escape")
    expect(number).to_be_focused()
