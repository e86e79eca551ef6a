"""Transitions as people use them: bars, matrix, panel, both languages, both themes, phone width."""

import pytest
from playwright.sync_api import expect

from crm.agents.access import Role
from tests.browser.conftest import assert_accessible, assert_fits, shot
from tests.factories import make_customer, make_fact

URL = "/reports/transitions/?from=2026-11-05&to=2026-11-20"


@pytest.fixture(autouse=True)
def _buyers(settings, tmp_path, transactional_db):
    settings.COLUMNS_DIR = tmp_path / "columns"
    for number in range(40):
        customer = make_customer()
        make_fact(customer, "friend_added", number / 2)
        for day in range(number % 4):
            make_fact(customer, "order_paid", number / 2 + day)


@pytest.mark.parametrize(
    ("size", "theme", "language"), [("wide", "dark", "en"), ("phone", "light", "zh-hans")]
)
def test_the_page_is_readable_and_a_cell_opens_its_people(page_for, size, theme, language):
    page = page_for(Role.OPERATOR, size=size, theme=theme, language=language)
    page.goto(URL)
    expect(page.locator("#transitions-chart[data-drawn]")).to_be_visible()
    assert_accessible(page)
    assert_fits(page)
    shot(page, f"transitions-{size}-{theme}-{language}", full=True)
    number = page.locator("a.figure[href*='was='][href*='became=regular']").first
    number.click()
    people = page.locator("#panel-body [data-person]")
    expect(people).to_have_count(int(number.inner_text()))
