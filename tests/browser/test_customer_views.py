"""Choosing columns and keeping a view, by hand, wide and on a phone."""

import pytest
from playwright.sync_api import expect

from crm.agents.access import Role
from crm.customers.models import SavedView
from tests.browser.conftest import SIZES, assert_accessible, shot
from tests.factories import make_agent, make_friend

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("size", SIZES)
def test_columns_are_chosen_ordered_and_kept_as_a_view(page_for, size):
    make_friend(make_agent(), name="阿珍", city="上海")
    page = page_for(Role.OPERATOR, size=size)
    page.goto("/customers/")
    page.locator("summary", has_text="列").click()
    menu = page.locator("details[open] .menu-body.sheet")
    box, width = menu.bounding_box(), page.viewport_size["width"]
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert_accessible(page)
    shot(page, f"customer-columns-{size}")
    menu.get_by_role("checkbox", name="城市").check()
    menu.get_by_role("listitem").filter(has_text="员工").get_by_label("上移").click()
    menu.get_by_role("button", name="应用").click()
    heads = page.get_by_role("columnheader")
    expect(heads.nth(2)).to_have_text("员工")
    expect(page.get_by_role("table")).to_contain_text("上海")
    page.locator("summary", has_text="存为视图").click()
    assert_accessible(page)
    page.get_by_label("新视图的名称").fill("带城市")
    page.get_by_role("button", name="存为新视图").click()
    tab = page.get_by_role("navigation", name="视图").get_by_role("link", name="带城市")
    expect(tab).to_have_attribute("aria-current", "page")
    expect(page.get_by_role("table")).to_contain_text("上海")
    assert SavedView.unsafe_all.get().query.startswith("col=agents&col=phone")
