"""The funnel as people use it: chart, numbers, panel, both languages, both themes, phone width."""

import re

import pytest
from playwright.sync_api import expect

from crm.agents.access import Role
from tests.browser.conftest import assert_accessible, assert_fits, shot
from tests.factories import make_channel, make_customer, make_fact

URL = "/reports/funnel/?steps=friend_added&steps=group_joined&steps=order_paid&window=30d"
BREAKDOWN = f"{URL}&breakdown=channel&as_of=2026-11-20"


@pytest.fixture(autouse=True)
def _journeys(settings, tmp_path, transactional_db):
    settings.COLUMNS_DIR = tmp_path / "columns"
    channels = [make_channel(name=name) for name in ("旅展扫码", "老客推荐")]
    for number in range(40):
        customer = make_customer()
        channel = channels[number % 2].pk
        make_fact(customer, "friend_added", number / 4, channel_id=channel)
        if number % 3:
            make_fact(customer, "group_joined", number / 4 + 1)
        if number % 5 == 1:
            make_fact(customer, "order_paid", number / 4 + 2)


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
    page.goto(BREAKDOWN)
    expect(page.locator("#funnel-chart[data-drawn]")).to_be_visible()
    assert_accessible(page)
    assert_fits(page)
    shot(page, f"funnel-{size}-{theme}-{language}", full=True)


def test_a_number_and_its_bar_open_the_same_people(page_for):
    page = page_for(Role.OPERATOR)
    page.goto(BREAKDOWN)
    number = page.locator("a.figure[href*='step=2'][href*='state=converted']").first
    number.click()
    panel = page.locator("#panel-body")
    expect(panel.locator("li")).to_have_count(int(number.inner_text()))
    expect(page).to_have_url(re.compile("panel="))
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_be_hidden()
    expect(number).to_be_focused()
    bar = page.locator("#funnel-chart .bars").first.locator(".point path").nth(1)
    box = bar.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(panel.locator("li")).to_have_count(int(number.inner_text()))


def test_people_are_saved_as_an_audience_from_the_panel(page_for):
    page = page_for(Role.OPERATOR)
    page.goto(BREAKDOWN)
    page.locator("a.figure[href*='state=dropped'], a.figure[href*='state=open']").first.click()
    page.locator("#panel-body summary").click()
    page.get_by_label("人群名称").fill("没有入群的人")
    page.get_by_role("button", name="存为人群").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("没有入群的人")
