"""The house rules that a machine can check: imports, migrations, policy table, scoped access."""

import ast
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import models
from django.template import engines
from django.urls import NoReverseMatch, reverse

from config.policies import PolicyRow, policy_table
from crm.agents.access import ROLE_PERMISSIONS, Permission, Role
from crm.shared.models import ScopedManager, UnscopedAccess
from tests.factories import make_user

ROOT = Path(settings.BASE_DIR)
SIDES = ("crm", "analytics", "config")
OUTWARD_FACING = ("views", "forms", "api", "filters", "panels")


def sources(*folders: str) -> list[Path]:
    return [
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if "migrations" not in path.parts
    ]


def test_every_model_change_has_its_migration(db):
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_every_url_has_a_policy_row():
    without = [row.name or row.route for row in policy_table() if row.policy is None]
    assert without == []


def test_every_permission_is_held_by_some_role_and_used_by_some_url():
    held = frozenset().union(*ROLE_PERMISSIONS.values())
    used = {row.policy.permission for row in policy_table() if row.policy}
    assert set(Permission) == held
    assert set(Permission) <= used


def test_views_forms_and_api_ask_only_for_what_the_user_may_see():
    offenders = [
        str(path.relative_to(ROOT))
        for path in sources("crm", "analytics")
        if path.stem in OUTWARD_FACING and "unsafe_all" in path.read_text()
    ]
    assert offenders == []


def test_models_with_customer_data_have_a_scoped_manager_only():
    from django.apps import apps

    personal = {"customer", "contact", "group", "membership", "order", "fact", "agent", "audience"}
    for model in apps.get_app_config("crm").get_models():
        if model._meta.model_name not in personal:
            continue
        assert isinstance(model.objects, ScopedManager), model
        with pytest.raises(UnscopedAccess):
            model.objects.all()
        assert model._default_manager.name == "unsafe_all", model


def test_no_template_trusts_text_from_outside():
    marked = re.compile(r"\|\s*safe\b|autoescape off|mark_safe")
    offenders = [
        str(path.relative_to(ROOT))
        for path in [*(ROOT / "templates").rglob("*.html"), *sources(*SIDES)]
        if marked.search(path.read_text())
    ]
    assert offenders == []


def test_no_template_has_inline_handlers_or_foreign_addresses():
    foreign = re.compile(r"\son[a-z]+\s*=\s*[\"']|(?:src|href)=[\"']https?://", re.IGNORECASE)
    offenders = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "templates").rglob("*.html")
        if foreign.search(path.read_text())
    ]
    assert offenders == []


def test_every_template_compiles():
    engine = engines["django"]
    for path in (ROOT / "templates").rglob("*.html"):
        engine.from_string(path.read_text())


def test_only_the_wecom_room_speaks_http():
    allowed = {"crm/wecom", "config"}
    offenders = [
        str(path.relative_to(ROOT))
        for path in sources(*SIDES)
        if re.search(
            r"^\s*(import|from) (httpx|requests|urllib\.request)\b", path.read_text(), re.M
        )
        and not any(str(path.relative_to(ROOT)).startswith(room) for room in allowed)
    ]
    assert offenders == []


def test_actions_never_import_tasks():
    offenders = []
    for path in sources("crm", "analytics"):
        if path.stem != "actions":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            module = getattr(node, "module", None) or ""
            if isinstance(node, ast.ImportFrom) and module.endswith(".tasks"):
                offenders.append(str(path.relative_to(ROOT)))
    assert offenders == []


def test_every_foreign_key_says_what_deletion_does_to_customers():
    from django.apps import apps

    for model in apps.get_app_config("crm").get_models():
        for field in model._meta.get_fields():
            if isinstance(field, models.ForeignKey) and field.related_model.__name__ == "Customer":
                assert field.remote_field.on_delete in (models.PROTECT, models.CASCADE), field


def _plain_pages() -> list[PolicyRow]:
    """Our own GET pages whose address needs no argument: the matrix asks them as every role."""
    rows = []
    for row in policy_table():
        if row.policy is None or row.route.startswith(("admin/", "accounts/", "api/")):
            continue
        try:
            reverse(row.name)
        except NoReverseMatch:
            continue
        rows.append(row)
    return rows


@pytest.mark.parametrize("role", Role.values)
def test_every_plain_page_admits_exactly_the_roles_of_its_policy(role, client, db):
    client.force_login(make_user(role))
    wrong = []
    for row in _plain_pages():
        status = client.get(reverse(row.name)).status_code
        admitted = status in (200, 204, 286, 302, 400, 405, 422)
        if row.policy.public:
            continue
        if admitted != (role in row.policy.roles):
            wrong.append((row.name, status))
    assert wrong == []


def test_a_stranger_is_sent_to_sign_in_from_every_page(client, db):
    wrong = []
    for row in _plain_pages():
        response = client.get(reverse(row.name))
        if row.policy.public:
            continue
        if response.status_code != 302 or "/accounts/login/" not in response["Location"]:
            wrong.append((row.name, response.status_code))
    assert wrong == []
