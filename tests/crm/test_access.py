"""Roles, scopes, tokens and the audit trail."""

import pytest
from django.db import IntegrityError, transaction

from crm.agents.access import Role
from crm.agents.actions import audit
from crm.agents.models import Agent, AuditEntry
from crm.customers.models import Customer
from crm.groups.models import Group
from crm.timeline.models import Fact
from tests.factories import (
    make_agent,
    make_customer,
    make_department,
    make_fact,
    make_friend,
    make_group,
    make_membership,
    make_user,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def house():
    root = make_department(wecom_id=1)
    sales, service = make_department(parent=root), make_department(parent=root)
    team = make_department(parent=sales)
    ann, bob, cai = (make_agent(department=d) for d in (team, sales, service))
    friends = {agent: make_friend(agent) for agent in (ann, bob, cai)}
    return {
        "root": root,
        "sales": sales,
        "team": team,
        "agents": (ann, bob, cai),
        "friends": friends,
        "stranger": make_customer(),
    }


def seen(user) -> set[int]:
    return set(Customer.objects.for_user(user).values_list("pk", flat=True))


def test_an_agent_sees_own_customers_only(house):
    ann, *_ = house["agents"]
    assert seen(make_user(Role.AGENT, agent=ann)) == {house["friends"][ann].pk}


def test_an_agent_login_without_an_agent_sees_nobody(house):
    assert seen(make_user(Role.AGENT)) == set()


def test_a_lead_sees_the_team(house):
    ann, *_ = house["agents"]
    assert seen(make_user(Role.LEAD, departments=[house["team"]])) == {house["friends"][ann].pk}


def test_a_manager_sees_departments_and_everything_below(house):
    ann, bob, _ = house["agents"]
    manager = make_user(Role.MANAGER, departments=[house["sales"]])
    assert seen(manager) == {house["friends"][ann].pk, house["friends"][bob].pk}


def test_a_manager_of_the_root_sees_everybody_even_non_friends(house):
    manager = make_user(Role.MANAGER, departments=[house["root"]])
    assert house["stranger"].pk in seen(manager)
    assert len(seen(manager)) == 4


def test_a_lead_without_departments_sees_nobody(house):
    assert seen(make_user(Role.LEAD)) == set()


def test_an_operator_sees_everybody_and_an_administrator_nobody(house):
    assert len(seen(make_user(Role.OPERATOR))) == 4
    assert seen(make_user(Role.ADMIN)) == set()


def test_a_switched_off_account_sees_nobody(house):
    assert seen(make_user(Role.OPERATOR, is_active=False)) == set()


def test_facts_follow_their_customers(house):
    ann, bob, _ = house["agents"]
    mine = make_fact(house["friends"][ann], "message_received")
    make_fact(house["friends"][bob], "message_received")
    user = make_user(Role.AGENT, agent=ann)
    assert list(Fact.objects.for_user(user)) == [mine]


def test_groups_are_seen_by_owner_members_and_their_leads(house):
    ann, bob, cai = house["agents"]
    group = make_group(bob)
    make_membership(group, ann)
    for agent, visible in ((ann, True), (bob, True), (cai, False)):
        user = make_user(Role.AGENT, agent=agent)
        assert Group.objects.for_user(user).exists() is visible
    assert Group.objects.for_user(make_user(Role.LEAD, departments=[house["team"]])).exists()


def test_agents_see_only_themselves(house):
    ann, *_ = house["agents"]
    assert list(Agent.objects.for_user(make_user(Role.AGENT, agent=ann))) == [ann]


@pytest.mark.parametrize("change", ["update", "delete"])
def test_the_audit_trail_cannot_be_rewritten(change):
    entry = audit(None, "test.deed")
    with pytest.raises(IntegrityError), transaction.atomic():
        rows = AuditEntry.objects.filter(pk=entry.pk)
        rows.update(reason="other") if change == "update" else rows.delete()
    assert AuditEntry.objects.get(pk=entry.pk).reason == ""


def test_facts_cannot_be_edited():
    fact = make_fact(make_customer(), "order_paid")
    with pytest.raises(IntegrityError), transaction.atomic():
        Fact.unsafe_all.filter(pk=fact.pk).update(amount_cents=1)
