"""The components in a real browser, on a page of their own (gallery.py)."""

import copy
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Page, expect

from crm.agents.access import Role
from tests.browser.conftest import SIZES, THEMES, assert_accessible, assert_fits, shot

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _gallery(settings):
    settings.ROOT_URLCONF = "tests.browser.gallery"
    templates = copy.deepcopy(settings.TEMPLATES)
    templates[0]["DIRS"].append(Path(__file__).parent / "templates")
    settings.TEMPLATES = templates


@pytest.fixture
def gallery(page_for):
    def open_gallery(query: str = "", **kind) -> Page:
        page = page_for(Role.OPERATOR, **kind)
        page.goto(f"/gallery/{query}")
        return page

    return open_gallery


def posted(page: Page) -> dict[str, list[str]]:
    return parse_qs(page.locator("#posted").inner_text(), keep_blank_values=True)


@pytest.mark.parametrize("size", SIZES)
def test_every_component_is_accessible_and_fits(gallery, size):
    page = gallery("?wrong", size=size)
    for theme in THEMES:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        assert_accessible(page)
        shot(page, f"components-{size}-{theme}", full=True)
    assert_fits(page)


def test_every_component_fits_the_narrowest_window(gallery):
    page = gallery()
    page.set_viewport_size({"width": 320, "height": 640})
    assert_fits(page)


def test_a_large_text_setting_does_not_break_the_page(gallery):
    page = gallery()
    page.evaluate("document.documentElement.style.fontSize = '28px'")
    assert_fits(page)


def test_what_reaches_customers_is_confirmed_first(gallery):
    page = gallery()
    page.get_by_role("button", name="发送").click()
    dialog = page.get_by_role("dialog", name="请确认")
    expect(dialog).to_contain_text("会发给 128 位客户")
    assert_accessible(page)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert posted(page) == {}
    page.get_by_role("button", name="发送").click()
    page.get_by_role("button", name="发给 128 位客户").click()
    expect(page.locator("#posted")).to_contain_text("act=send")


def test_a_selection_grows_from_a_row_to_the_page_to_all(gallery):
    page = gallery()
    bar, banner = page.locator("[data-bulk-bar]"), page.locator("[data-select-all-banner]")
    expect(bar).to_be_hidden()
    page.get_by_role("checkbox", name="选择 王小雨").check()
    expect(bar).to_contain_text("已选 1 条")
    expect(banner).to_be_hidden()
    page.get_by_role("checkbox", name="选择本页").check()
    expect(bar).to_contain_text("已选 5 条")
    expect(banner).to_contain_text("已选本页 5 条")
    banner.get_by_role("button").click()
    expect(bar).to_contain_text("已选 12,345 条")
    page.get_by_role("checkbox", name="选择 王小雨").uncheck()
    expect(bar).to_contain_text("已选 4 条")
    page.get_by_role("button", name="打标签").click()
    expect(page.locator("#posted")).to_contain_text("act=tag")
    assert posted(page)["ids"] == ["1", "2", "3", "4"]
    assert posted(page)["select_all"] == [""]


def test_x_selects_the_row_of_the_keyboard(gallery):
    page = gallery()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.get_by_role("checkbox", name="选择 Nguyễn Thị")).to_be_checked()


def test_a_number_opens_its_people_beside_the_page(gallery):
    page = gallery()
    link = page.get_by_role("link", name="1.2万")
    link.click()
    panel = page.get_by_role("dialog", name="3 位客户")
    expect(panel).to_contain_text("王小雨")
    assert "panel=%2Fgallery%2Fpeople%2F" in page.url
    page.reload()
    expect(panel).to_contain_text("王小雨")
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    link.click()
    page.get_by_role("button", name="关闭").click()
    expect(link).to_be_focused()


def test_an_act_can_be_undone_from_its_toast(gallery):
    page = gallery()
    page.get_by_role("button", name="归档").click()
    page.get_by_role("button", name="撤销").click()
    expect(page.locator(".toast")).to_have_count(1)
    expect(page.locator(".toast")).to_contain_text("已恢复")


def test_a_failure_behind_a_button_is_told(gallery, windows):
    windows.forgive("503")
    page = gallery()
    page.get_by_role("button", name="出错").click()
    expect(page.get_by_role("alert").filter(has_text="没有成功")).to_be_visible()


def test_a_poll_says_what_it_is_and_ends_when_told(gallery):
    page = gallery()
    expect(page.locator("#ticks")).to_have_text("3/1")
    expect(page.locator("#ticks")).to_have_attribute("data-polling", "over")


def test_a_poll_rests_while_nobody_looks(page_for):
    page = page_for(Role.OPERATOR)
    page.clock.install(time=0)
    page.clock.pause_at(1_000)  # Only the test lets time pass: a slow machine polls no second time.
    page.goto("/gallery/")
    expect(page.locator("#ticks")).to_have_text("1/1")
    page.evaluate("""() => {
        Object.defineProperty(document, "hidden", { configurable: true, get: () => true });
    }""")
    page.clock.run_for(5_000)
    expect(page.locator("#ticks")).to_have_text("1/1")
    page.evaluate("""() => {
        delete document.hidden;
        document.dispatchEvent(new Event("visibilitychange"));
    }""")
    expect(page.locator("#ticks")).to_have_text("2/1")


def test_a_toast_stays_ten_seconds_and_longer_under_the_pointer(page_for):
    page = page_for(Role.OPERATOR)
    page.clock.install()
    page.goto("/gallery/")
    page.get_by_role("button", name="归档").click()
    toast = page.locator(".toast")
    toast.hover()
    page.clock.run_for(30_000)
    expect(toast).to_be_visible()
    page.mouse.move(0, 0)
    page.clock.run_for(9_000)
    expect(toast).to_be_visible()
    page.clock.run_for(2_000)
    expect(toast).to_be_hidden()


def test_the_calendar_is_walked_by_arrows(gallery):
    page = gallery()
    page.locator("td[aria-current=date]").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("td[data-day='2026-11-19']")).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(page.locator("td[data-day='2026-11-12']")).to_be_focused()
    page.keyboard.press("Shift+Enter")
    page.wait_for_url("**/gallery/?on=2026-11-12")
    page.locator("td[aria-current=date]").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_url("**/gallery/?post=19")


def test_a_wrong_form_gives_the_focus_to_its_summary(gallery):
    page = gallery("?wrong")
    summary = page.locator("[data-error-summary]")
    expect(summary).to_be_focused()
    summary.get_by_role("link", name="标题").click()
    expect(page.get_by_label("标题")).to_be_focused()
    expect(page.get_by_label("标题")).to_have_attribute("aria-invalid", "true")


def test_filters_open_from_their_chip_and_close_with_escape(gallery):
    page = gallery(size="phone")
    chip = page.locator(".chip-group summary")
    chip.click()
    expect(page.locator(".chip-group form")).to_be_visible()
    assert_fits(page)
    page.keyboard.press("Escape")
    expect(page.locator(".chip-group form")).to_be_hidden()
    expect(chip).to_be_focused()


def test_sorting_stays_in_the_address(gallery):
    page = gallery()
    page.get_by_role("link", name="消息", exact=True).first.click()
    page.wait_for_url("**/gallery/?sort=-n")
    expect(page.get_by_role("columnheader", name="消息")).to_have_attribute(
        "aria-sort", "descending"
    )
    page.get_by_role("columnheader", name="消息").get_by_role("link").click()
    page.wait_for_url("**/gallery/?sort=n")
