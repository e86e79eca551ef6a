"""The command that makes one login per role."""

import io
import json

import pytest
from django.core.management import call_command

from crm.agents.access import Role
from crm.agents.models import User
from crm.members.models import MemberTier
from tests.factories import make_agent, make_contact, make_customer, make_department, make_friend


def run() -> str | None:
    out = io.StringIO()
    call_command("demo_users", json=True, stdout=out)
    return json.loads(out.getvalue())["password"]


@pytest.fixture(autouse=True)
def _no_password_in_the_environment(db, monkeypatch):
    monkeypatch.delenv("CHANGKE_DEMO_PASSWORD", raising=False)


def test_there_is_one_login_per_role_and_the_password_is_shown_once():
    password = run()
    users = {user.username: user for user in User.objects.all()}
    assert {name: user.role for name, user in users.items()} == {r: r for r in Role.values}
    assert all(users[r].check_password(password) for r in Role.values if r != Role.SERVICE)
    assert not users[Role.SERVICE].has_usable_password()
    assert [name for name, user in users.items() if user.is_superuser] == [Role.ADMIN]
    assert run() is None
    assert User.objects.get(username=Role.LEAD).check_password(password)


def test_the_environment_sets_the_password_at_every_run(monkeypatch):
    run()
    monkeypatch.setenv("CHANGKE_DEMO_PASSWORD", "chosen by the reader")
    assert run() == "chosen by the reader"
    assert User.objects.get(username=Role.AGENT).check_password("chosen by the reader")


def test_the_tiers_stand_once_and_each_falls_to_the_next():
    run()
    run()
    falls = dict(MemberTier.objects.values_list("name", "falls_to__name"))
    assert falls == {"黑卡": "金卡", "金卡": "银卡", "银卡": None}
    assert MemberTier.objects.get(name="金卡").benefits.count() == 2


def test_run_again_after_the_first_sync_it_links_roles_to_people():
    run()
    root = make_department()
    team = make_department(parent=make_department(parent=root))
    busy, leader = make_agent(department=team), make_agent(department=team, is_leader=True)
    make_agent(status="left")
    for _n in range(3):
        make_friend(busy)
    make_contact(make_customer(), leader)
    run()
    users = {user.username: user for user in User.objects.all()}
    assert users[Role.AGENT].agent == busy
    assert users[Role.LEAD].agent == leader
    assert list(users[Role.LEAD].departments.all()) == [team]
    assert list(users[Role.MANAGER].departments.all()) == [root]
    run()
    assert User.objects.get(username=Role.AGENT).agent == busy
