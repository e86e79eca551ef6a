"""The list of groups and the page of one: scope, filters, members, days."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from crm.agents.access import Role
from crm.groups.charts import finding
from crm.groups.queries import Day, group_days
from crm.shared.times import day_start, local_day
from tests.factories import (
    at,
    make_agent,
    make_customer,
    make_department,
    make_fact,
    make_friend,
    make_group,
    make_membership,
    make_user,
)

LIST = "crm:groups:list"


@pytest.fixture
def agent(db):
    return make_agent(name="王芳")


@pytest.fixture
def own(client, agent):
    user = make_user(Role.AGENT, agent=agent)
    client.force_login(user)
    return user


@pytest.fixture
def operator(client, db):
    user = make_user(Role.OPERATOR)
    client.force_login(user)
    return user


def names(response) -> list[str]:
    return [row.name for row in response.context["page"]]


def detail(group) -> str:
    return reverse("crm:groups:detail", args=[group.pk])


def test_an_agent_sees_groups_owned_or_joined_and_no_others(client, own, agent):
    make_group(agent, name="自己的")
    make_membership(make_group(make_agent(), name="在里面"), agent)
    foreign = make_group(make_agent(), name="别人的")
    assert sorted(names(client.get(reverse(LIST)))) == ["在里面", "自己的"]
    assert client.get(detail(foreign)).status_code == 404


def test_a_lead_sees_the_groups_of_the_team(client, db):
    root = make_department()
    team = make_department(parent=root)
    mine = make_group(make_agent(department=team))
    foreign = make_group(make_agent(department=root))
    client.force_login(make_user(Role.LEAD, departments=[team]))
    assert client.get(detail(mine)).status_code == 200
    assert client.get(detail(foreign)).status_code == 404


def test_an_administrator_may_not_open_groups(client, agent):
    client.force_login(make_user(Role.ADMIN))
    assert client.get(reverse(LIST)).status_code == 403
    assert client.get(detail(make_group(agent))).status_code == 403


def test_strangers_are_sent_to_sign_in(client, agent):
    for url in (reverse(LIST), detail(make_group(agent))):
        assert "/accounts/login/" in client.get(url)["Location"]


def test_dismissed_groups_show_when_asked_for(client, operator, agent):
    make_group(agent, name="在用")
    make_group(agent, name="散了", dismissed_at=at(3))
    assert names(client.get(reverse(LIST))) == ["在用"]
    assert names(client.get(reverse(LIST), {"state": "dismissed"})) == ["散了"]
    assert len(names(client.get(reverse(LIST), {"state": "all"}))) == 2


@pytest.mark.parametrize("query", ["三亚", "sanya", "三亚亲子群"])
def test_a_group_is_found_by_name_and_pinyin(client, operator, agent, query):
    make_group(agent, name="三亚亲子群")
    make_group(agent, name="北海道")
    assert names(client.get(reverse(LIST), {"q": query})) == ["三亚亲子群"]


def test_the_list_is_narrowed_by_owner_and_opening(client, operator, agent):
    make_group(agent, name="甲", opened_at=at(0))
    make_group(make_agent(), name="乙", opened_at=at(9))
    assert names(client.get(reverse(LIST), {"owner": agent.pk})) == ["甲"]
    assert names(client.get(reverse(LIST), {"opened_from": "2026-11-09"})) == ["乙"]


def test_joins_and_leaves_of_seven_days_count_customers_only(client, operator, agent):
    now, group = timezone.now(), make_group(agent)
    make_membership(group, agent, joined_at=now)
    make_membership(group, make_customer(), joined_at=now - timedelta(days=2))
    make_membership(
        group, make_customer(), joined_at=now - timedelta(days=20), left_at=now - timedelta(days=1)
    )
    make_membership(group, make_customer(), joined_at=now - timedelta(days=20))
    [row] = client.get(reverse(LIST)).context["page"].rows
    assert (row.joins, row.leaves) == (1, 1)


@pytest.mark.parametrize(
    "sort", ["size", "-joins", "joins", "-leaves", "name", "-opened", "rubbish"]
)
def test_every_order_pages_without_gap_or_repeat(client, operator, agent, sort):
    for n in range(55):
        group = make_group(agent, customer_count=n % 3)
        if n % 2:
            make_membership(group, make_customer(), joined_at=timezone.now())
    first = client.get(reverse(LIST), {"sort": sort}).context["page"]
    rest = client.get(reverse(LIST), {"sort": sort, "after": first.after}).context["page"]
    assert len({row.id for row in [*first, *rest]}) == 55


def test_the_number_of_queries_does_not_grow_with_the_groups(
    client, operator, agent, django_assert_max_num_queries
):
    for _n in range(20):
        make_membership(make_group(make_agent()), make_customer())
    with django_assert_max_num_queries(12):
        client.get(reverse(LIST))


def test_the_page_of_a_group_names_members_and_who_invited_them(client, own, agent):
    group = make_group(agent, name="三亚群")
    inviter = make_friend(agent, name="老客")
    make_membership(group, make_friend(agent, name="新客"), invited_by=inviter.external_userid)
    make_membership(group, make_friend(agent, name="同事拉来的"), invited_by=agent.userid)
    text = client.get(detail(group)).content.decode()
    for word in ("三亚群", "新客", "老客", "同事拉来的", "王芳"):
        assert word in text, word


def test_members_whose_profile_is_closed_to_the_viewer_have_no_link(client, own, agent):
    group = make_group(agent)
    foreign = make_friend(make_agent(), name="外人")
    make_membership(group, foreign)
    [member] = client.get(detail(group)).context["members"].rows
    assert (member.name, member.customer_id) == ("外人", None)


def test_those_who_left_are_listed_apart(client, own, agent):
    group = make_group(agent)
    make_membership(group, make_customer(name="还在"))
    make_membership(group, make_customer(name="走了"), left_at=at(1))
    assert [m.name for m in client.get(detail(group)).context["members"]] == ["还在"]
    past = client.get(detail(group), {"members": "past"})
    assert [m.name for m in past.context["members"]] == ["走了"]


def test_days_are_days_of_the_corporation_and_none_is_missing(agent):
    now = timezone.now()
    midnight = day_start(local_day(now))
    group = make_group(agent, opened_at=now - timedelta(days=60))
    make_membership(group, make_customer(), joined_at=midnight)
    make_membership(group, make_customer(), joined_at=midnight - timedelta(seconds=1))
    make_membership(group, make_customer(), joined_at=now - timedelta(days=50), left_at=midnight)
    days = group_days(group, days=30, now=now)
    assert len(days) == 30
    assert (days[-1].joins, days[-1].leaves, days[-2].joins) == (1, 1, 1)


def test_the_sentence_above_the_picture_states_the_net():
    day = local_day(timezone.now())
    assert "净增 2 人" in finding([Day(day, 3, 1)])
    assert "净减 1 人" in finding([Day(day, 0, 1)])
    assert "没有人" in finding([Day(day, 0, 0)])


def test_joins_open_the_people_who_joined(client, own, agent):
    now = timezone.now()
    group = make_group(agent, opened_at=now - timedelta(days=60))
    joined = make_friend(agent, name="新客")
    make_membership(group, joined, joined_at=now)
    make_fact(joined, "group_joined", now, group_id=group.pk)
    today = local_day(now).isoformat()
    params = {"event": "group_joined", "event_from": today, "event_to": today}
    listed = client.get(reverse("crm:customers:list"), params | {"event_group": group.pk})
    assert [row.name for row in listed.context["page"]] == ["新客"]
    assert str(group) in listed.content.decode()


def test_people_of_a_foreign_group_cannot_be_asked_for(client, own, agent):
    foreign = make_group(make_agent(), name="别人的群")
    params = {"event": "group_joined", "event_group": foreign.pk}
    response = client.get(reverse("crm:customers:list"), params)
    assert "别人的群" not in response.content.decode()
