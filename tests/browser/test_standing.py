"""Standing pages as people use them: bars, rows, panel, languages, themes, phone width."""

import pytest
from playwright.sync_api import expect

from crm.agents.access import Role
from tests.browser.conftest import assert_accessible, assert_fits, shot
from tests.factories import make_agent, make_fact, make_friend


@pytest.fixture(autouse=True)
def _pool(transactional_db):
    agent = make_agent()
    for number in range(30):
        friend = make_friend(agent)
        make_fact(friend, "friend_added", number / 3, agent_id=agent.pk)
        if number % 3 == 0:
            made = {"agent_id": agent.pk}
            make_fact(friend, "friend_deleted_by_customer", number / 3 + 2, **made)


@pytest.mark.parametrize(
    ("size", "theme", "language"), [("wide", "dark", "en"), ("phone", "light", "zh-hans")]
)
def test_the_balance_is_readable_and_a_day_opens_its_people(page_for, size, theme, language):
    page = page_for(Role.OPERATOR, size=size, theme=theme, language=language)
    page.goto("/reports/pool/?pool=friends&from=2026-11-01&to=2026-11-12")
    expect(page.locator("#pool-chart[data-drawn]")).to_be_visible()
    assert_accessible(page)
    assert_fits(page)
    shot(page, f"pool-{size}-{theme}-{language}", full=True)
    number = page.locator("a.figure[href*='what=first']").first
    number.click()
    people = page.locator("#panel-body [data-person]")
    expect(people).to_have_count(int(number.inner_text()))


@pytest.mark.parametrize(
    ("size", "theme", "language"), [("wide", "light", "en"), ("phone", "dark", "zh-hans")]
)
def test_the_journey_is_readable_and_a_step_opens_its_people(page_for, size, theme, language):
    page = page_for(Role.OPERATOR, size=size, theme=theme, language=language)
    page.goto("/reports/journey/?by=week&from=2026-11-01&to=2026-11-12")
    expect(page.locator("#journey-chart[data-drawn]")).to_be_visible()
    assert_accessible(page)
    assert_fits(page)
    shot(page, f"journey-{size}-{theme}-{language}", full=True)
    number = page.locator("a.figure[href*='key=']").first
    number.click()
    people = page.locator("#panel-body [data-person]")
    expect(people).to_have_count(int(number.inner_text()))
