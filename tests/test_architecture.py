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


def _outward_methods() -> set[str]:
    """Methods of the client that change something at WeCom, by the way their calls are declared."""
    declared = ast.parse((ROOT / "crm/wecom/methods.py").read_text())
    makers = {"_write", "_set", "_make", "_once"}
    writes = {
        node.targets[0].id
        for node in declared.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and getattr(node.value.func, "id", "") in makers
    }
    functions = [
        node
        for path in (ROOT / "crm/wecom/calls").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    ]
    outward = {one.name for one in functions if _named(one, "methods") & writes}
    private = {name for name in outward if name.startswith("_")}
    through = {one.name for one in functions if _named(one, "self") & private}
    return (outward | through) - private


def _named(function: ast.AST, owner: str) -> set[str]:
    """What is read of ``owner`` inside: ``methods.MARK_TAGS`` → MARK_TAGS."""
    return {
        node.attr
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == owner
    }


def test_only_handlers_of_the_outbox_change_anything_at_wecom():
    """CF-13: no way out leads past the gate, the quota and the record of what was called."""
    outward, offenders, found = _outward_methods(), [], set()
    assert {"create_moment", "create_mass_send", "send_welcome", "mark_tags"} <= outward
    for path in sources("crm", "analytics"):
        if path.is_relative_to(ROOT / "crm/wecom") or path.stem in ("bench", "benching"):
            continue
        text = path.read_text()
        if "wecom" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            # Our own actions may bear the same names.
            if node.func.attr not in outward or getattr(node.func.value, "id", "") == "actions":
                continue
            found.add(node.func.attr)
            if not (path.stem.endswith("handlers") and "crm.outbox.registry" in text):
                offenders.append(f"{path.relative_to(ROOT)}: {node.func.attr}")
    assert offenders == []
    assert {"create_moment", "send_welcome"} <= found


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
