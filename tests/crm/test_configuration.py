"""Django admin: who gets in, what can be changed there, and that no secret can be read."""

import re
from datetime import timedelta

import pytest
from django.contrib import admin
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from crm.agents.access import Permission, Role
from crm.agents.actions import audit, hash_key, issue_token
from crm.agents.models import ApiToken, AuditEntry, User
from crm.timeline.models import FactKind
from tests.factories import (
    PASSWORD,
    make_agent,
    make_channel,
    make_customer,
    make_department,
    make_tag,
    make_user,
)


@pytest.fixture
def administrator(client, db):
    user = make_user(Role.ADMIN)
    client.force_login(user)
    return user


def listed(model: str) -> str:
    return reverse(f"admin:crm_{model}_changelist")


def one(model: str, obj) -> str:
    return reverse(f"admin:crm_{model}_change", args=[obj.pk])


def make_token(by, **overrides):
    values = {"user": make_user(Role.SERVICE), "name": "订单系统", "by": by}
    values |= {"permissions": [Permission.API_INGEST]}
    values |= {"expires_at": timezone.now() + timedelta(days=30)}
    return issue_token(**values | overrides)


@pytest.mark.parametrize("role", [r for r in Role.values if r != Role.ADMIN])
def test_only_administrators_get_in(client, db, role):
    client.force_login(make_user(role, is_staff=True, is_superuser=True))
    assert client.get(reverse("admin:index")).status_code == 403


def test_the_first_administrator_is_made_on_the_command_line(client, db, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    call_command("createsuperuser", interactive=False, username="first", role="admin", verbosity=0)
    assert client.login(username="first", password=PASSWORD)
    assert client.get(reverse("admin:index")).status_code == 200


def test_strangers_are_sent_to_the_common_sign_in(client, db):
    assert "/accounts/login/" in client.get(reverse("admin:index"))["Location"]


def test_every_registered_page_opens_without_django_permissions(client, administrator):
    assert not administrator.is_superuser
    root = make_department()
    make_agent(department=root)
    make_tag()
    make_channel()
    make_token(administrator)
    audit(administrator, "test.entry")
    ours = [m for m in admin.site._registry if m.__module__.startswith("crm.")]
    assert len(ours) >= 8
    for model in ours:
        name = model._meta.model_name
        assert client.get(listed(name)).status_code == 200, name
        assert client.get(listed(name), {"q": "王"}).status_code == 200, name
        obj = model._default_manager.first()
        assert obj is None or client.get(one(name, obj)).status_code == 200, name


def test_the_index_has_one_section_per_domain(client, administrator):
    text = client.get(reverse("admin:index")).content.decode()
    for title in ("员工与权限", "客户", "事实"):
        assert title in text


def test_customers_are_nowhere_in_it(client, administrator):
    names = {model._meta.model_name for model in admin.site._registry}
    assert not names & {"customer", "contact", "fact", "order", "membership", "audience"}
    make_customer(name="不该出现")
    assert "不该出现" not in client.get(reverse("admin:index")).content.decode()


@pytest.mark.parametrize("model", ["department", "agent", "tag", "taggroup", "auditentry"])
def test_what_others_keep_cannot_be_changed(client, administrator, model):
    rows = {
        "department": make_department,
        "agent": make_agent,
        "tag": make_tag,
        "taggroup": lambda: make_tag().group,
        "auditentry": lambda: audit(administrator, "test.entry"),
    }
    obj = rows[model]()
    assert client.post(one(model, obj), {"name": "x"}).status_code == 403
    assert client.post(reverse(f"admin:crm_{model}_add"), {"name": "x"}).status_code == 403
    assert client.post(reverse(f"admin:crm_{model}_delete", args=[obj.pk])).status_code == 403


def test_no_secret_can_be_read(client, administrator):
    token, key = make_token(administrator)
    user = make_user(Role.OPERATOR)
    pages = [listed("apitoken"), one("apitoken", token), one("user", user), listed("user")]
    for url in pages:
        text = client.get(url).content.decode()
        assert key not in text
        assert hash_key(key) not in text
        assert user.password not in text


def test_a_token_is_issued_and_its_secret_shown_once(client, administrator):
    user = make_user(Role.SERVICE)
    form = {"user": user.pk, "name": "订单", "rights": ["API_INGEST"], "days": 30}
    response = client.post(reverse("admin:crm_apitoken_add"), form)
    [key] = re.findall(r"data-token-key>([^<]+)<", response.content.decode())
    token = ApiToken.objects.get()
    assert token.key_hash == hash_key(key)
    assert token.permissions == ["API_INGEST"]
    assert "no-store" in response["Cache-Control"]
    assert AuditEntry.objects.filter(action="token.issue", actor=administrator).exists()


def test_a_token_holds_no_more_than_its_users_role(client, administrator):
    form = {"name": "x", "days": 30, "rights": ["CUSTOMER_VIEW"]}
    form |= {"user": make_user(Role.SERVICE).pk}
    response = client.post(reverse("admin:crm_apitoken_add"), form)
    assert "没有这些权限" in response.content.decode()
    assert not ApiToken.objects.exists()


def test_a_token_is_revoked_and_cannot_be_edited(client, administrator):
    token, _key = make_token(administrator)
    client.post(listed("apitoken"), {"action": "revoke", "_selected_action": [token.pk]})
    token.refresh_from_db()
    assert token.revoked_at is not None
    assert AuditEntry.objects.filter(action="token.revoke", object_id=str(token.pk)).exists()
    assert client.post(one("apitoken", token), {"name": "anders"}).status_code == 403


def test_the_company_names_its_own_kinds_of_facts(client, administrator):
    form = {"code": "visa_asked", "label_zh": "询签证", "label_en": "Asked for a visa"}
    client.post(reverse("admin:crm_factkind_add"), form)
    kind = FactKind.objects.get(code="visa_asked")
    assert (kind.is_builtin, kind.id >= 1000) == (False, True)
    client.post(one("factkind", kind), {"label_zh": "咨询签证", "label_en": "", "code": "other"})
    kind.refresh_from_db()
    assert (kind.code, kind.label_zh) == ("visa_asked", "咨询签证")


def test_built_in_kinds_are_only_read(client, administrator):
    kind = FactKind.objects.get(code="friend_added")
    assert client.get(one("factkind", kind)).status_code == 200
    assert client.post(one("factkind", kind), {"label_zh": "x"}).status_code == 403


def test_a_channel_gets_its_name_and_keeps_its_code(client, administrator):
    channel = make_channel(code="xhs")
    form = {"name": "小红书", "moment": "种草", "is_active": "on", "code": "other"}
    client.post(one("channel", channel), form)
    channel.refresh_from_db()
    assert (channel.code, channel.name) == ("xhs", "小红书")
    assert AuditEntry.objects.filter(action="channel.change").exists()


def test_a_login_is_made_with_role_agent_and_departments(client, administrator):
    agent, team = make_agent(), make_department()
    form = {"username": "xiaowang", "usable_password": "true", "role": "lead"}
    form |= {"password1": "eine gute Losung", "password2": "eine gute Losung"}
    form |= {"agent": agent.pk, "departments": [team.pk]}
    response = client.post(reverse("admin:crm_user_add"), form)
    assert response.status_code == 302, response.context["adminform"].form.errors
    user = User.objects.get(username="xiaowang")
    assert (user.role, user.agent, list(user.departments.all())) == ("lead", agent, [team])
    assert user.check_password("eine gute Losung")
    assert not user.is_superuser


def test_a_role_change_takes_djangos_flags_along_and_is_written_down(client, administrator):
    user = make_user(Role.ADMIN, is_staff=True, is_superuser=True)
    form = {"username": user.username, "role": "operator", "language": "zh-hans"}
    form |= {"theme": "system", "is_active": "on"}
    response = client.post(one("user", user), form)
    assert response.status_code == 302, response.context["adminform"].form.errors
    user.refresh_from_db()
    assert (user.role, user.is_staff, user.is_superuser) == ("operator", False, False)
    entry = AuditEntry.objects.get(action="user.change")
    assert "role" in entry.details["fields"]


def test_a_password_is_set_by_an_administrator_and_that_is_written_down(client, administrator):
    user = make_user(Role.OPERATOR)
    url = reverse("admin:auth_user_password_change", args=[user.pk])
    form = {"usable_password": "true", "password1": "eine neue Losung"}
    response = client.post(url, form | {"password2": "eine neue Losung"})
    assert response.status_code == 302
    user.refresh_from_db()
    assert user.check_password("eine neue Losung")
    assert AuditEntry.objects.filter(action="user.password", object_id=str(user.pk)).exists()


def test_logins_are_switched_off_not_deleted(client, administrator):
    user = make_user(Role.OPERATOR)
    assert client.post(reverse("admin:crm_user_delete", args=[user.pk])).status_code == 403


def test_only_our_own_models_are_configured_here():
    """An authenticator's row holds its secret; no page may offer it."""
    assert {model._meta.app_label for model in admin.site._registry} == {"crm", "analytics"}
