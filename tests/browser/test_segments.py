"""The segment builder as people use it: add, watch the size, save; readable everywhere."""

import pytest
from playwright.sync_api import expect

from analytics.segments.models import Segment
from crm.agents.access import Role
from tests.browser.conftest import assert_accessible, assert_fits, shot
from tests.factories import make_customer, make_tag

RULE = {
    "all": [
        {"field": "friend", "in": ["friend"]},
        {"any": [{"field": "orders", "from": 1}, {"field": "age", "from": 60, "to": 75}]},
        {"fact": "route_viewed", "days": 14, "at_least": 2, "where": {"destination": "三亚"}},
        {"none": [{"field": "message_days", "to": 7}]},
    ]
}


@pytest.fixture
def segment(transactional_db):
    tag = make_tag(name="爱海岛").pk
    for number in range(30):
        make_customer(order_count=number % 3, is_friend=True, tag_ids=[tag] if number % 2 else [])
    return Segment.unsafe_all.create(name="想去三亚的老客", rule=RULE)


@pytest.mark.parametrize(
    ("size", "theme", "language"),
    [
        ("wide", "light", "zh-hans"),
        ("wide", "dark", "en"),
        ("phone", "dark", "zh-hans"),
        ("phone", "light", "en"),
    ],
)
def test_builder_and_segment_are_readable_everywhere(page_for, segment, size, theme, language):
    page = page_for(Role.OPERATOR, size=size, theme=theme, language=language)
    for name, url in (
        ("list", "/segments/"),
        ("detail", f"/segments/{segment.pk}/"),
        ("builder", f"/segments/{segment.pk}/edit/"),
    ):
        page.goto(url)
        assert_accessible(page)
        assert_fits(page)
        shot(page, f"segment-{name}-{size}-{theme}-{language}", full=True)


def test_a_condition_is_added_and_the_size_follows(page_for, segment):
    page = page_for(Role.OPERATOR)
    page.goto("/segments/add/")
    number = page.locator("#segment-size [data-figure]")
    expect(number).to_have_text("30")
    page.locator("select[name='n.new']").select_option("field:orders")
    page.get_by_role("button", name="添加条件").click()
    limit = page.locator("input[name='n.1.from']")
    limit.fill("1")
    limit.blur()
    expect(number).to_have_text("20")
    number.click()
    expect(page.locator("#panel-body [data-person]")).to_have_count(20)
    page.keyboard.press("Escape")
    page.locator("#segment-name").fill("买过的")
    page.get_by_role("button", name="保存").last.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("买过的")
