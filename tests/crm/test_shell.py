"""The frame of every page: navigation by right, language, theme, preferences, refusals."""

import re

import pytest
from django.test import Client
from django.urls import NoReverseMatch, reverse
from django.utils.translation import override

from crm.agents.access import Role
from crm.agents.models import User
from crm.agents.navigation import SECTIONS
from crm.shared.templatetags.changke import initial, told
from tests.factories import PASSWORD, make_user

pytestmark = pytest.mark.django_db

PLACES = [place for section in SECTIONS for place in section.places]


@pytest.fixture
def operator(client: Client) -> User:
    user = make_user(Role.OPERATOR)
    client.force_login(user)
    return user


def sign_in(client: Client, user: User, password: str):
    return client.post("/accounts/login/", {"login": user.username, "password": password})


def html(response) -> str:
    return response.content.decode()


def test_the_right_password_opens_the_door(client):
    assert sign_in(client, make_user(), PASSWORD).status_code == 302
    assert client.get("/me/").status_code == 200


def test_a_wrong_password_does_not_say_which_part_was_wrong(client):
    user = make_user()
    known = sign_in(client, user, "wrong wrong wrong")
    user.username = "nobody"
    unknown = sign_in(client, user, "wrong wrong wrong")
    errors = [r.context["form"].errors.as_text() for r in (known, unknown)]
    assert errors[0] == errors[1] != ""
    assert 'role="alert"' in html(known)


def test_a_locked_account_refuses_even_the_right_password(client):
    user = make_user()
    for _try in range(5):
        sign_in(client, user, "wrong wrong wrong")
    assert sign_in(client, user, PASSWORD).status_code != 302


def test_nobody_signs_up(client):
    client.post(
        "/accounts/signup/", {"username": "x", "password1": PASSWORD, "password2": PASSWORD}
    )
    assert not User.objects.filter(username="x").exists()


def test_signing_out_needs_a_post(client, operator):
    assert client.get("/accounts/logout/").status_code == 200
    assert client.get("/me/").status_code == 200
    client.post("/accounts/logout/")
    assert client.get("/me/").status_code == 302


def test_preferences_are_kept_with_the_account(client, operator):
    client.post("/me/", {"language": "en", "theme": "dark", "red_means_rise": "on"})
    operator.refresh_from_db()
    assert (operator.language, operator.theme) == ("en", "dark")
    assert (operator.red_means_rise, operator.single_keys) == (True, False)
    page = html(client.get("/me/"))
    assert 'lang="en" data-theme="dark" data-rise="red"' in page
    assert 'data-single-keys="off"' in page


def test_preferences_cannot_change_what_one_may_do(client, operator):
    client.post("/me/", {"language": "en", "theme": "dark", "role": "admin", "is_superuser": "on"})
    operator.refresh_from_db()
    assert (operator.role, operator.is_superuser) == (Role.OPERATOR, False)


def test_an_unknown_theme_is_refused_at_the_field(client, operator):
    response = client.post("/me/", {"language": "en", "theme": "<script>"})
    assert response.context["form"].errors.keys() == {"theme"}
    assert "data-error-summary" in html(response)


def test_the_language_switch_comes_back_to_the_same_page(client, operator):
    response = client.post("/me/language/", {"language": "en", "next": "/me/?a=1"})
    assert response.headers["Location"] == "/me/?a=1"
    operator.refresh_from_db()
    assert operator.language == "en"


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "javascript:x"])
def test_the_language_switch_leads_nowhere_else(client, target):
    response = client.post("/me/language/", {"language": "en", "next": target})
    assert response.headers["Location"] == "/"


def test_a_visitor_switches_language_and_theme_before_signing_in(client):
    client.post("/me/language/", {"language": "en"})
    client.post("/me/theme/", {"theme": "dark"})
    assert 'lang="en" data-theme="dark"' in html(client.get("/accounts/login/"))


@pytest.mark.parametrize("path", ["/me/language/", "/me/theme/"])
def test_switches_ignore_what_they_do_not_know(client, operator, path):
    assert client.get(path).status_code == 405
    response = client.post(path, {"language": "xx", "theme": "xx"})
    assert response.status_code == 302
    operator.refresh_from_db()
    assert (operator.language, operator.theme) == ("zh-hans", "system")


def test_a_forged_theme_cookie_is_not_believed(client):
    client.cookies["theme"] = '"><script>'
    assert 'data-theme="system"' in html(client.get("/accounts/login/"))


@pytest.mark.parametrize("role", [role for role in Role if role != Role.SERVICE])
def test_the_navigation_shows_what_the_role_may_open(client, role):
    user = make_user(role)
    client.force_login(user)
    page = html(client.get("/me/"))
    shown = set(re.findall(r'class="nav-link" href="([^"]+)"', page))
    allowed, existing = set(), set()
    for place in PLACES:
        try:
            url = reverse(place.url_name)
        except NoReverseMatch:
            continue
        existing.add(url)
        if user.can(place.permission):
            allowed.add(url)
    assert shown == allowed <= existing


def test_navigation_and_policy_table_ask_for_the_same_right():
    from config.policies import policy_table

    policies = {row.name: row.policy for row in policy_table()}
    wrong = [
        place.url_name
        for place in PLACES
        if place.url_name in policies
        and policies[place.url_name].permission is not place.permission
    ]
    assert not wrong


def test_a_missing_page_keeps_the_shell_and_gives_a_reference(client, operator):
    response = client.get("/no-such-page/")
    assert response.status_code == 404
    assert 'id="main"' in html(response)
    assert re.search(r"<code>[0-9a-f]{8}</code>", html(response))


def test_a_refusal_names_the_right_and_who_holds_it(client):
    client.force_login(make_user(Role.AGENT))
    response = client.get("/admin/")
    assert response.status_code == 403
    assert "系统配置" in html(response)
    assert "管理员" in html(response)
    assert 'class="sidebar"' in html(response)


def test_an_administrator_without_customers_gets_no_customer_search(client):
    client.force_login(make_user(Role.ADMIN))
    assert 'id="global-search"' not in html(client.get("/me/"))


def test_a_failure_answers_even_when_the_shell_cannot_be_drawn(client, operator, monkeypatch):
    client.raise_request_exception = False

    def broken(_request):
        raise RuntimeError("the shell itself is broken")

    monkeypatch.setattr("crm.agents.context.navigation", broken)
    response = client.get("/me/")
    assert response.status_code == 500
    assert re.search(r"<code>[0-9a-f]{8}</code>", html(response))


def test_scripts_carry_a_nonce_and_the_policy_forbids_inline_code(client, operator):
    response = client.get("/me/")
    policy = response.headers["Content-Security-Policy"]
    script = next(d for d in policy.split("; ") if d.startswith("script-src"))
    assert "unsafe" not in script
    nonce = re.search(r"'nonce-([^']+)'", script)[1]
    tags = re.findall(r"<script\b[^>]*>", html(response))
    assert tags
    assert all(f'nonce="{nonce}"' in tag or 'type="application/json"' in tag for tag in tags)
    assert not re.search(r"\son\w+=", html(response))


def test_pages_ask_no_other_server_for_anything(client, operator):
    assert not re.findall(r'(?:src|href|action)="(?:https?:)?//', html(client.get("/me/")))


def test_the_admin_site_speaks_the_product_s_language_and_theme(client):
    admin = make_user(Role.ADMIN, is_staff=True, is_superuser=True, theme="dark")
    client.force_login(admin)
    page = html(client.get("/admin/"))
    assert 'lang="zh-Hans" data-theme="dark"' in page
    assert "css/admin.css" in page


@pytest.mark.parametrize(("name", "shown"), [("欧阳娜", "娜"), ("manager", "M"), ("", "")])
def test_an_avatar_shows_the_given_name_or_the_first_letter(name, shown):
    assert initial(name) == shown


def test_a_sentence_that_a_worker_kept_is_told_in_the_readers_language():
    kept = "企业微信没有答复，结果不明"
    with override("en"):
        assert told(kept) == "WeCom did not answer; the outcome is unknown"
        assert told("张三看过后台") == "张三看过后台"
    with override("zh-hans"):
        assert told(kept) == kept
    assert told("") == ""
