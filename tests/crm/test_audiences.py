"""Saved audiences: who sees them, who is in them, and the file."""

import csv
import io

import pytest
from django.urls import reverse

from crm.agents.access import Role
from crm.agents.models import AuditEntry
from crm.audiences.actions import AudienceRefused, freeze_audience
from tests.factories import (
    START,
    make_agent,
    make_customer,
    make_department,
    make_friend,
    make_user,
)

LIST = "crm:audiences:list"


def freeze(user, *customers, **overrides):
    values = {"name": "没下单的好友", "by": user, "now": START}
    values |= {"customer_ids": [customer.pk for customer in customers]} | overrides
    return freeze_audience(**values)


def detail(audience) -> str:
    return reverse("crm:audiences:detail", args=[audience.pk])


@pytest.fixture
def operator(client, db):
    user = make_user(Role.OPERATOR)
    client.force_login(user)
    return user


def test_a_frozen_list_says_who_froze_it_and_from_which_question(client, operator):
    question = {"steps": ["friend_added", "order_paid"], "window": "30d", "as_of": None}
    audience = freeze(operator, make_customer(name="李雷"), question=question)
    text = client.get(detail(audience)).content.decode()
    for word in ("没下单的好友", "李雷", operator.username, "加微 → 转化", "30d"):
        assert word in text, word
    assert "没下单的好友" in client.get(reverse(LIST)).content.decode()


def test_a_lead_sees_the_own_lists_only(client, operator):
    team = make_department(parent=make_department())
    lead = make_user(Role.LEAD, departments=[team])
    foreign = freeze(operator, make_customer())
    own = freeze(lead, make_friend(make_agent(department=team)))
    client.force_login(lead)
    assert client.get(detail(own)).status_code == 200
    assert client.get(detail(foreign)).status_code == 404
    assert client.get(reverse("crm:audiences:export", args=[foreign.pk])).status_code == 404


def test_members_who_left_the_scope_are_counted_and_not_shown(client, db):
    root = make_department()
    team, other = make_department(parent=root), make_department(parent=root)
    agent = make_agent(department=team)
    lead = make_user(Role.LEAD, departments=[team])
    audience = freeze(lead, make_friend(agent, name="本组"))
    agent.department = other
    agent.save()
    client.force_login(lead)
    text = client.get(detail(audience)).content.decode()
    assert "本组" not in text
    assert "1 位不在您的范围内" in text


@pytest.mark.parametrize("role", [Role.AGENT, Role.REVIEWER, Role.ADMIN])
def test_other_roles_have_no_audiences(client, operator, role):
    audience = freeze(operator, make_customer())
    client.force_login(make_user(role))
    for url in (reverse(LIST), detail(audience)):
        assert client.get(url).status_code == 403


def test_strangers_are_sent_to_sign_in(client, db):
    audience = freeze(make_user(Role.OPERATOR), make_customer())
    for url in (reverse(LIST), detail(audience)):
        assert "/accounts/login/" in client.get(url)["Location"]


def test_the_file_holds_the_members_and_is_written_down(client, operator):
    audience = freeze(operator, make_customer(name="甲"), make_customer(name="=乙"))
    make_customer(name="丙")
    response = client.get(reverse("crm:audiences:export", args=[audience.pk]))
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    assert sorted(row[1] for row in csv.reader(io.StringIO(text))) == ["'=乙", "昵称", "甲"]
    entry = AuditEntry.objects.get(action="audience.export")
    assert entry.details == {"customers": 2, "audience": audience.pk}


@pytest.mark.parametrize(
    "trouble", [{"name": "  "}, {"customer_ids": []}, {"customer_ids": [10**9]}]
)
def test_a_list_without_name_people_or_right_is_not_frozen(db, trouble):
    with pytest.raises(AudienceRefused):
        freeze(make_user(Role.OPERATOR), make_customer(), **trouble)


def test_an_empty_room_leads_to_the_funnel(client, operator):
    assert "还没有人群" in client.get(reverse(LIST)).content.decode()
    freeze(operator, make_customer())
    assert "清除筛选" in client.get(reverse(LIST), {"q": "无"}).content.decode()
