"""The frame in a real browser: signing in, switches, keys, input methods, phones, axe."""

import re

import pytest
from allauth.mfa.totp.internal.auth import (
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.contrib.sessions.models import Session
from django.urls import NoReverseMatch, reverse
from playwright.sync_api import Page, expect

from crm.agents.access import Role
from crm.agents.navigation import SECTIONS
from tests.browser.conftest import (
    SIZES,
    THEMES,
    assert_accessible,
    assert_fits,
    shot,
)
from tests.factories import PASSWORD, make_customer, make_user

pytestmark = pytest.mark.django_db(transaction=True)


def paths(user) -> list[str]:
    """Addresses of the navigation that exist and that the user may open, and the preferences."""
    found = ["/me/"]
    for section in SECTIONS:
        for place in section.places:
            try:
                url = reverse(place.url_name)
            except NoReverseMatch:
                continue
            # The page of the API is Swagger's own.
            if user.can(place.permission) and place.url_name != "api-docs":
                found.append(url)
    return found


def sign_in(page: Page, name: str, password: str) -> None:
    page.goto("/accounts/login/?next=/me/")
    page.get_by_label("账号").fill(name)
    page.get_by_label("密码").fill(password)
    page.get_by_role("button", name="登录").click()


@pytest.mark.parametrize("size", SIZES)
def test_a_person_signs_in_and_out(visitor_page, size):
    user = make_user(Role.OPERATOR)
    page = visitor_page(size=size)
    sign_in(page, user.username, PASSWORD)
    expect(page.get_by_role("heading", level=1)).to_have_text("偏好")
    page.get_by_label("账号", exact=True).click()
    page.get_by_role("button", name="退出").click()
    page.wait_for_url("**/accounts/login/**")
    assert not Session.objects.filter(pk=_session(page)).exists()


def _session(page: Page) -> str:
    return next((c["value"] for c in page.context.cookies() if "session" in c["name"]), "")


def test_a_wrong_password_is_told_at_once_and_keeps_the_name(visitor_page):
    user = make_user(Role.OPERATOR)
    page = visitor_page()
    sign_in(page, user.username, "wrong wrong wrong")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("账号")).to_have_value(user.username)
    expect(page.get_by_label("密码")).to_have_value("")


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", SIZES)
def test_the_entrance_is_accessible(visitor_page, size, theme):
    page = visitor_page(size=size, theme=theme)
    page.goto("/accounts/login/")
    assert_accessible(page)
    assert_fits(page)
    shot(page, f"login-{size}-{theme}")


def test_one_switch_changes_the_language(page_for):
    page = page_for(Role.OPERATOR)
    page.goto("/me/")
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    page.get_by_role("button", name="EN", exact=True).click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.get_by_role("button", name="中文", exact=True).click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")


def test_a_chosen_theme_stands_against_the_system_s(page_for):
    page = page_for(Role.OPERATOR, theme="light")
    page.goto("/me/")
    light = _background(page)
    page.get_by_label("主题", exact=True).first.click()
    page.get_by_role("button", name="深色").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert _background(page) != light


def test_without_a_choice_the_theme_follows_the_system(page_for):
    page = page_for(Role.OPERATOR, theme="light")
    page.goto("/me/")
    light = _background(page)
    page.emulate_media(color_scheme="dark")
    assert _background(page) != light


def _background(page: Page) -> str:
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_the_first_tab_leads_to_the_content(page_for):
    page = page_for(Role.OPERATOR)
    page.goto("/me/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="跳到正文")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_the_palette_finds_by_character_pinyin_and_initials(page_for):
    page = page_for(Role.OPERATOR)
    page.goto("/me/")
    for typed in ("偏好", "pianhao", "ph"):
        page.keyboard.press("Control+k")
        palette = page.locator("#palette")
        page.get_by_role("combobox", name="快速前往").fill(typed)
        expect(palette.get_by_role("option", selected=True)).to_contain_text("偏好")
        page.keyboard.press("Escape")
        expect(palette).to_be_hidden()


def test_the_palette_goes_where_enter_says(page_for):
    page = page_for(Role.OPERATOR)
    page.goto("/accounts/password/change/")
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="快速前往").fill("ph")
    page.keyboard.press("Enter")
    page.wait_for_url("**/me/")


def test_a_question_mark_shows_the_keys_and_escape_returns_the_focus(page_for):
    page = page_for(Role.OPERATOR)
    page.goto("/me/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="快捷键")).to_be_visible()
    assert_accessible(page)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="快捷键")).to_be_hidden()


def test_single_keys_can_be_switched_off(page_for):
    page = page_for(Role.OPERATOR, single_keys=False)
    page.goto("/me/")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_hidden()
    page.keyboard.press("Control+k")
    expect(page.locator("#palette")).to_be_visible()


def test_keys_typed_into_a_field_are_only_text(page_for):
    page = page_for(Role.OPERATOR)
    page.goto("/accounts/password/change/")
    page.locator("input[type=password]").first.press_sequentially("?/gc")
    expect(page.locator("#keys")).to_be_hidden()
    expect(page.locator("input[type=password]").first).to_have_value("?/gc")


def test_composing_with_an_input_method_searches_only_for_the_finished_word(page_for):
    page = page_for(Role.OPERATOR)
    page.goto("/me/")
    page.keyboard.press("Control+k")
    box = page.get_by_role("combobox", name="快速前往")
    options = page.locator("#palette [role=option]:not([hidden])")
    everything = options.count()
    keyboard = page.context.new_cdp_session(page)
    for typed in ("q", "qi", "qie", "qiehuan"):
        keyboard.send(
            "Input.imeSetComposition",
            {"text": typed, "selectionStart": len(typed), "selectionEnd": len(typed)},
        )
    expect(box).to_have_value("qiehuan")
    assert options.count() == everything
    keyboard.send("Input.insertText", {"text": "切换"})
    expect(box).to_have_value("切换")
    expect(options.first).to_contain_text("切换")
    assert options.count() < everything


def test_a_live_search_waits_for_the_finished_word_and_keeps_the_focus(page_for):
    for name in ("王小雨", "李雷", "汪洋"):
        make_customer(name=name)
    page = page_for(Role.OPERATOR)
    page.goto("/customers/")
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "q=" in request.url else None)
    box = page.locator("form[data-live-search] input[type=search]")
    box.focus()
    keyboard = page.context.new_cdp_session(page)
    for typed in ("w", "wa", "wang"):
        keyboard.send(
            "Input.imeSetComposition",
            {"text": typed, "selectionStart": len(typed), "selectionEnd": len(typed)},
        )
    expect(box).to_have_value("wang")
    keyboard.send("Input.insertText", {"text": "王"})
    expect(page.get_by_role("link", name="李雷")).to_have_count(0)
    expect(page.get_by_role("link", name="王小雨", exact=True)).to_be_visible()
    expect(box).to_be_focused()
    assert len(asked) == 1
    assert "q=%E7%8E%8B" in page.url


def test_j_and_k_walk_the_rows_and_enter_opens(page_for):
    for name in ("甲", "乙", "丙"):
        make_customer(name=name)
    page = page_for(Role.OPERATOR)
    page.goto("/customers/?sort=name")
    links = page.locator("[data-rows] tbody th a")
    page.keyboard.press("j")
    expect(links.nth(0)).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(links.nth(1)).to_be_focused()
    expect(page.locator("tr[data-current]")).to_have_count(1)
    page.keyboard.press("Enter")
    page.wait_for_url("**/customers/*/**")


def test_g_and_a_letter_go_to_a_place(page_for):
    page = page_for(Role.OPERATOR)
    page.goto("/me/")
    page.keyboard.press("g")
    page.keyboard.press("c")
    page.wait_for_url("**/customers/")
    page.keyboard.press("/")
    expect(page.locator("#global-search")).to_be_focused()


@pytest.mark.parametrize("size", SIZES)
def test_a_panel_stands_in_the_address_and_gives_the_focus_back(page_for, size):
    make_customer(name="王小雨")
    page = page_for(Role.OPERATOR, size=size)
    page.goto("/customers/?panel=/customers/%3Fq%3D王")
    panel = page.locator("#panel")
    expect(panel.get_by_text("王小雨")).to_be_visible()
    assert_accessible(page)
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(page).not_to_have_url(re.compile("panel="))
    expect(page.locator("#main")).to_be_focused()
    page.go_back()
    expect(panel).to_be_visible()


def test_a_panel_opens_nothing_of_another_site(page_for):
    page = page_for(Role.OPERATOR)
    page.goto("/customers/?panel=//evil.example/x")
    page.wait_for_load_state("networkidle")
    expect(page.locator("#panel")).to_be_hidden()


def test_enter_while_composing_submits_nothing(visitor_page):
    page = visitor_page()
    page.goto("/accounts/login/")
    page.get_by_label("账号").focus()
    keyboard = page.context.new_cdp_session(page)
    keyboard.send(
        "Input.imeSetComposition", {"text": "wang", "selectionStart": 4, "selectionEnd": 4}
    )
    enter = {"windowsVirtualKeyCode": 229, "key": "Enter", "code": "Enter"}
    keyboard.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **enter})
    keyboard.send("Input.dispatchKeyEvent", {"type": "keyUp", **enter})
    expect(page.get_by_label("账号")).to_have_value("wang")
    assert page.evaluate("document.querySelector(':invalid:user-invalid')") is None


def test_a_dirty_form_asks_before_it_is_left(page_for):
    page = page_for(Role.OPERATOR)
    page.goto("/me/")
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.get_by_label("红涨绿跌").check()
    page.goto("/accounts/2fa/")
    assert asked == ["beforeunload"]


def test_saved_preferences_are_confirmed_by_a_toast(page_for):
    page = page_for(Role.OPERATOR)
    page.goto("/me/")
    page.get_by_label("红涨绿跌").check()
    page.get_by_role("button", name="保存").click()
    toast = page.locator(".toast")
    expect(toast).to_contain_text("已保存")
    toast.get_by_role("button", name="关闭").click()
    expect(toast).to_be_hidden()


def test_being_offline_is_told_and_input_kept(page_for):
    page = page_for(Role.OPERATOR)
    page.goto("/me/")
    page.get_by_label("红涨绿跌").check()
    page.context.set_offline(True)
    expect(page.locator("[data-offline]")).to_be_visible()
    expect(page.get_by_label("红涨绿跌")).to_be_checked()
    page.context.set_offline(False)
    expect(page.locator("[data-offline]")).to_be_hidden()


def test_a_phone_gets_a_bottom_bar_in_place_of_the_side_bar(page_for):
    page = page_for(Role.OPERATOR, size="phone")
    page.goto("/me/")
    expect(page.locator(".sidebar")).to_be_hidden()
    bar = page.get_by_role("navigation", name="快捷导航")
    expect(bar).to_be_visible()
    bar.get_by_text("更多").click()
    expect(bar.get_by_role("link", name="偏好")).to_be_visible()
    assert_fits(page)
    page.keyboard.press("Escape")
    expect(bar.get_by_role("link", name="偏好")).to_be_hidden()


def test_pages_read_without_scripts(browser, live_server):
    context = browser.new_context(java_script_enabled=False, base_url=live_server.url)
    page = context.new_page()
    user = make_user(Role.OPERATOR)
    sign_in(page, user.username, PASSWORD)
    expect(page.get_by_role("heading", level=1)).to_have_text("偏好")
    page.get_by_role("button", name="EN", exact=True).click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    context.close()


def test_narrow_windows_reflow(page_for):
    page = page_for(Role.OPERATOR)
    page.set_viewport_size({"width": 320, "height": 640})
    page.goto("/me/")
    assert_fits(page)


def test_a_missing_page_keeps_the_shell(page_for, windows):
    windows.forgive("404")
    page = page_for(Role.OPERATOR)
    page.goto("/no-such-page/")
    expect(page.get_by_role("navigation", name="主导航")).to_be_visible()
    assert_accessible(page)


@pytest.mark.parametrize(("role", "language"), [(Role.OPERATOR, "en"), (Role.ADMIN, "zh-hans")])
def test_every_page_of_an_empty_installation_is_accessible(page_for, role, language):
    user = make_user(role, is_staff=role == Role.ADMIN, is_superuser=role == Role.ADMIN)
    page = page_for(user, language=language)
    for path in paths(user):
        page.set_viewport_size({"width": 1280, "height": 900})
        page.goto(path)
        name = path.strip("/").replace("/", "-") or "today"
        for size, theme in zip(SIZES, THEMES, strict=True):
            width, height = SIZES[size]
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            assert_fits(page)
            assert_accessible(page)
            shot(page, f"empty/{name}-{size}-{language}")


def test_a_second_factor_guards_the_account(page_for, visitor_page, settings):
    # A code may change between reading the clock and pressing the button.
    settings.MFA_TOTP_TOLERANCE = 1
    user = make_user(Role.OPERATOR)
    page = page_for(user)
    page.goto("/accounts/2fa/totp/activate/")
    if "reauthenticate" in page.url:
        page.locator("input[type=password]").fill(PASSWORD)
        page.get_by_role("button", name="确认").click()
    assert_accessible(page)
    secret = page.get_by_label("密钥").input_value()

    def code() -> str:
        return format_hotp_value(hotp_value(secret, [*yield_hotp_counters_from_time()][1]))

    page.locator("#id_code").fill(code())
    page.get_by_role("button", name="启用").click()
    expect(page.locator("pre")).to_be_visible()
    recovery = page.locator("pre").inner_text().split()[0]
    other = visitor_page()
    sign_in(other, user.username, PASSWORD)
    expect(other.get_by_role("heading", level=1)).to_have_text("两步验证")
    assert_accessible(other)
    other.get_by_label("验证码").fill(recovery)
    other.get_by_role("button", name="登录").click()
    expect(other.get_by_role("heading", level=1)).to_have_text("偏好")
