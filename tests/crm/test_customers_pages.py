"""The list of customers and the profile: filters, paging, scope, masking, files."""

import csv
import io
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.urls import reverse
from django.utils import timezone

from crm.agents.access import Role
from crm.agents.models import AuditEntry
from crm.shared.sheets import safe_cell
from tests import factories
from tests.factories import (
    at,
    make_agent,
    make_channel,
    make_contact,
    make_customer,
    make_department,
    make_fact,
    make_friend,
    make_group,
    make_membership,
    make_order,
    make_tag,
    make_user,
)

LIST = "crm:customers:list"


@pytest.fixture
def agent(db):
    return make_agent(name="王芳")


@pytest.fixture
def own(client, agent):
    """A signed-in agent."""
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


def asked(client, **params):
    return client.get(reverse(LIST), params)


def profile(customer) -> str:
    return reverse("crm:customers:profile", args=[customer.pk])


# ── who may see what ──────────────────────────────────────────


def test_an_agent_sees_the_own_customers_and_no_others(client, own, agent):
    make_friend(agent, name="自己的")
    make_friend(make_agent(), name="别人的")
    assert names(asked(client)) == ["自己的"]


def test_a_foreign_profile_is_as_absent_as_one_that_never_was(client, own):
    foreign = make_friend(make_agent())
    assert client.get(profile(foreign)).status_code == 404
    assert client.get(reverse("crm:customers:profile", args=[10**9])).status_code == 404


def test_a_lead_sees_the_customers_of_the_team(client, db):
    root = make_department()
    team, other = make_department(parent=root), make_department(parent=root)
    mine = make_friend(make_agent(department=team))
    foreign = make_friend(make_agent(department=other))
    client.force_login(make_user(Role.LEAD, departments=[team]))
    assert client.get(profile(mine)).status_code == 200
    assert client.get(profile(foreign)).status_code == 404


def test_an_administrator_may_not_open_customers(client, db):
    client.force_login(make_user(Role.ADMIN))
    assert asked(client).status_code == 403
    assert client.get(profile(make_customer())).status_code == 403


def test_strangers_are_sent_to_sign_in(client, agent):
    friend = make_friend(agent)
    for url in (reverse(LIST), profile(friend), reverse("crm:customers:export")):
        assert "/accounts/login/" in client.get(url)["Location"]


# ── the list ──────────────────────────────────────────────────


@pytest.mark.parametrize("query", ["李小明", "小明", "lixiaoming", "lxm", "C77"])
def test_a_name_is_found_by_characters_pinyin_initials_and_number(client, operator, query):
    make_customer(name="李小明", customer_no="C77")
    make_customer(name="张三")
    assert names(asked(client, q=query)) == ["李小明"]


def test_conditions_are_joined_by_and_and_values_of_one_by_or(client, operator, agent):
    warm, cold = make_tag(name="海岛"), make_tag(name="雪山")
    make_friend(agent, name="甲", tag_ids=[warm.pk], order_count=2)
    make_friend(agent, name="乙", tag_ids=[cold.pk], order_count=0)
    make_friend(agent, name="丙", tag_ids=[], order_count=1)
    both = asked(client, tag=[warm.pk, cold.pk])
    assert sorted(names(both)) == ["乙", "甲"]
    assert names(asked(client, tag=[warm.pk, cold.pk], has_order="yes")) == ["甲"]


def test_every_condition_narrows_the_list(client, operator):
    team = make_department()
    agent, channel = make_agent(department=team), make_channel()
    wanted = make_friend(
        agent, name="要找的", channel=channel, stage="warmth", added_at=at(3), order_count=1
    )
    make_fact(wanted, "group_joined", at(4), agent_id=agent.pk)
    make_friend(make_agent(), name="另一位", added_at=at(30))
    for params in (
        {"agent": agent.pk},
        {"department": team.pk},
        {"channel": channel.pk},
        {"stage": "warmth"},
        {"added_from": "2026-11-04", "added_to": "2026-11-04"},
        {"has_order": "yes"},
        {"event": "group_joined", "event_from": "2026-11-05", "event_to": "2026-11-05"},
        {"event": "group_joined", "event_agent": agent.pk},
    ):
        assert names(asked(client, **params)) == ["要找的"], params


def test_the_state_of_the_friendship_narrows_the_list(client, operator, agent):
    make_friend(agent, name="好友")
    make_friend(agent, name="流失", is_friend=False)
    make_customer(name="陌生")
    assert names(asked(client, friend="friend")) == ["好友"]
    assert names(asked(client, friend="lost")) == ["流失"]
    assert names(asked(client, friend="never")) == ["陌生"]


def test_customers_without_an_answer_can_be_asked_for(client, own, agent):
    now = timezone.now()
    waiting, answered = make_friend(agent, name="在等"), make_friend(agent, name="答过")
    for friend in (waiting, answered):
        make_fact(friend, "message_received", now - timedelta(hours=3), agent_id=agent.pk)
    make_fact(answered, "message_sent", now - timedelta(hours=2), agent_id=agent.pk)
    assert names(asked(client, waiting="1")) == ["在等"]


def test_rubbish_in_the_address_is_named_and_ignored(client, operator, agent):
    make_friend(agent, name="甲")
    response = asked(client, added_from="gestern", agent="999999", sort="phone", after="x")
    assert names(response) == ["甲"]
    assert "已忽略" in response.content.decode()


def test_pages_follow_one_another_without_gap_or_repeat(client, operator, agent):
    for n in range(120):
        make_friend(agent, name=f"客户{n:03}", added_at=at(n // 3))
    seen, cursor = [], ""
    while True:
        response = asked(client, sort="added", **({"after": cursor} if cursor else {}))
        seen += names(response)
        if not (cursor := response.context["page"].after):
            break
    assert len(seen) == len(set(seen)) == 120


@pytest.mark.parametrize("sort", ["added", "-added", "recent", "-recent", "name", "-paid"])
def test_every_order_is_total(client, operator, agent, sort):
    make_friend(agent, name="乙", last_fact_at=at(1), paid_cents=5)
    make_friend(agent, name="甲", last_fact_at=None, paid_cents=5)
    make_customer(name="丙")
    assert len(names(asked(client, sort=sort))) == 3


def test_the_number_of_queries_does_not_grow_with_the_rows(
    client, operator, agent, django_assert_max_num_queries
):
    make_friend(agent, tag_ids=[make_tag().pk])
    asked(client)
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as few:
        asked(client)
    for _n in range(30):
        make_friend(agent, tag_ids=[make_tag().pk])
    with django_assert_max_num_queries(len(few)):
        asked(client)


def test_phones_are_masked_in_the_list_and_on_the_profile(client, own, agent):
    friend = make_friend(agent, phone="13812345678")
    for response in (asked(client), client.get(profile(friend))):
        text = response.content.decode()
        assert "138****5678" in text
        assert "13812345678" not in text


def test_a_number_opens_into_a_panel_of_people(client, operator, agent):
    make_friend(agent, name="甲")
    response = client.get(reverse(LIST), headers={"HX-Request": "true"})
    assert "甲" in response.content.decode()
    assert "<html" not in response.content.decode()


def test_beside_a_list_the_profile_is_a_glance(client, own, agent):
    friend = make_friend(agent, name="李雷", phone="13812345678")
    make_fact(friend, "friend_added", 0, agent_id=agent.pk)
    response = client.get(profile(friend), headers={"HX-Request": "true"})
    text = response.content.decode()
    assert "与 王芳 成为好友" in text
    assert "138****5678" in text
    assert "<html" not in text


def test_an_empty_list_says_whether_nothing_is_there_or_nothing_matches(client, operator, agent):
    assert "还没有客户" in asked(client).content.decode()
    make_friend(agent)
    assert "清除筛选" in asked(client, q="无此人").content.decode()


# ── live ──────────────────────────────────────────────────────


def news(client, since, **params):
    return client.get(reverse("crm:customers:news"), {"since": since.isoformat(), **params})


def test_a_friend_added_now_shows_on_the_open_page(client, own, agent):
    opened = timezone.now()
    assert "data-newcomers" not in news(client, opened).content.decode()
    friend = make_friend(agent, name="新来的", added_at=opened)
    make_fact(friend, "friend_added", opened + timedelta(seconds=1), agent_id=agent.pk)
    text = news(client, opened).content.decode()
    assert 'data-newcomers="1"' in text
    assert "新来的" in text


def test_news_of_others_and_old_friendships_are_no_news(client, own, agent):
    opened = timezone.now()
    foreign = make_friend(make_agent())
    make_fact(foreign, "friend_added", opened + timedelta(seconds=1))
    old = make_friend(agent)
    make_fact(old, "friend_added", opened - timedelta(days=40))
    assert "data-newcomers" not in news(client, opened).content.decode()


def test_rubbish_instead_of_a_time_is_no_news(client, own):
    url = reverse("crm:customers:news")
    for since in ("", "x", "2026-13-45T00:00", "2026-01-01T00:00:00"):
        assert client.get(url, {"since": since}).status_code == 200


# ── the profile ───────────────────────────────────────────────


def test_the_profile_tells_relations_tags_groups_orders_and_timeline(client, own, agent):
    friend = make_friend(agent, name="李雷", customer_no="C1", tag_ids=[make_tag(name="亲子").pk])
    make_contact(friend, make_agent(name="赵六"), status="deleted_by_customer", ended_at=at(2))
    group = make_group(agent, name="三亚亲子群")
    make_membership(group, friend)
    make_order(friend, product="三亚五日", amount_cents=123_450)
    make_order(friend, status="refunded", amount_cents=100)
    make_fact(friend, "friend_added", 0, agent_id=agent.pk)
    make_fact(friend, "group_joined", 1, group_id=group.pk)
    response = client.get(profile(friend))
    text = response.content.decode()
    for word in ("李雷", "亲子", "赵六", "被客户删除", "三亚亲子群", "三亚五日", "¥1,234.50"):
        assert word in text, word
    assert "与 王芳 成为好友" in text
    assert "加入「三亚亲子群」" in text
    assert response.context["profile"].totals.paid_cents == 123_450


def test_the_timeline_can_be_narrowed_and_paged(client, own, agent):
    friend = make_friend(agent)
    for n in range(40):
        make_fact(friend, "message_received", n, agent_id=agent.pk)
    make_fact(friend, "friend_added", 0, agent_id=agent.pk)
    first = client.get(profile(friend)).context["entries"]
    assert (len(first), first.total) == (30, 41)
    second = client.get(profile(friend), {"after": first.after}).context["entries"]
    assert len(second) == 11
    friends_only = client.get(profile(friend), {"kind": "friend"}).context["entries"]
    assert len(friends_only) == 1


def test_from_a_list_the_profile_leads_to_its_neighbours(client, own, agent):
    first, middle, last = (make_friend(agent, name=f"客户{n}", added_at=at(n)) for n in range(3))
    listed = quote("sort=added")
    response = client.get(f"{profile(middle)}?list={listed}")
    assert response.context["previous_id"] == first.pk
    assert response.context["next_id"] == last.pk
    assert client.get(f"{profile(last)}?list={listed}").context["next_id"] is None


def test_opening_a_profile_costs_the_same_with_many_relations(
    client, own, agent, django_assert_max_num_queries
):
    friend = make_friend(agent)
    for _n in range(8):
        make_contact(friend, make_agent())
        make_membership(make_group(agent), friend)
        make_order(friend)
        make_fact(friend, "message_received", agent_id=agent.pk)
    with django_assert_max_num_queries(20):
        client.get(profile(friend))


# ── whole phone numbers ───────────────────────────────────────


def reveal(client, customer, **data):
    return client.post(reverse("crm:customers:reveal", args=[customer.pk]), data)


def test_a_phone_is_shown_against_a_reason_that_is_written_down(client, own, agent):
    friend = make_friend(agent, phone="13812345678")
    response = reveal(client, friend, reason="客户要求回电")
    assert "13812345678" in response.content.decode()
    assert response["Cache-Control"] == "no-store"
    entry = AuditEntry.objects.get(action="customer.reveal")
    assert (entry.reason, entry.object_id, entry.actor) == ("客户要求回电", str(friend.pk), own)


def test_without_a_reason_the_phone_stays_masked(client, own, agent):
    friend = make_friend(agent, phone="13812345678")
    assert "13812345678" not in reveal(client, friend, reason="  ").content.decode()
    assert not AuditEntry.objects.filter(action="customer.reveal").exists()


def test_a_phone_is_not_revealed_by_opening_an_address(client, own, agent):
    friend = make_friend(agent, phone="13812345678")
    assert client.get(reverse("crm:customers:reveal", args=[friend.pk])).status_code == 405


def test_a_foreign_phone_is_not_revealed(client, own):
    assert reveal(client, make_friend(make_agent(), phone="1"), reason="好奇").status_code == 404


def test_an_operator_may_not_reveal_phones(client, operator, agent):
    assert reveal(client, make_friend(agent, phone="1"), reason="好奇").status_code == 403


def test_an_hour_allows_only_so_many_phones(client, own, agent, monkeypatch):
    monkeypatch.setattr("crm.customers.disclosure.REVEALS_PER_HOUR", 2)
    friend = make_friend(agent, phone="13812345678")
    texts = [reveal(client, friend, reason="回电").content.decode() for _n in range(3)]
    assert ["13812345678" in text for text in texts] == [True, True, False]
    assert "一小时内" in texts[2]


# ── files ─────────────────────────────────────────────────────


def download(client, **params) -> list[list[str]]:
    response = client.get(reverse("crm:customers:export"), params)
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


def test_the_file_holds_what_the_page_shows(client, operator, agent):
    make_friend(agent, name="甲", phone="13812345678", order_count=1)
    make_friend(agent, name="乙", order_count=0)
    rows = download(client, has_order="yes")
    assert [row[1] for row in rows] == ["昵称", "甲"]
    assert rows[1][2] == "138****5678"
    entry = AuditEntry.objects.get(action="customers.export")
    assert entry.details["customers"] == 1
    assert entry.details["query"] == "has_order=yes"


def test_names_in_a_file_are_never_formulas(client, operator, agent):
    for name in ("=1+1", "+86", "@cmd", " =1", "＝SUM", "\u200b=1"):
        make_friend(agent, name=name)
    assert all(row[1].startswith("'") for row in download(client)[1:])


def test_numbers_stay_numbers_in_a_file():
    assert safe_cell(-5) == -5
    assert safe_cell("-5") == "'-5"
    assert safe_cell(None) == ""


def test_the_file_speaks_the_language_of_its_reader(client, agent):
    user = make_user(Role.OPERATOR, language="en")
    client.force_login(user)
    make_friend(agent, name="甲")
    assert client.get(reverse("crm:customers:export")).status_code == 200


def test_a_file_that_would_be_cut_short_is_refused(client, operator, agent, monkeypatch):
    monkeypatch.setattr("crm.customers.disclosure.EXPORT_ROWS", 1)
    make_friend(agent)
    make_friend(agent)
    response = client.get(reverse("crm:customers:export"))
    assert response.status_code == 422
    assert "未导出" in response.content.decode()


def test_an_agent_may_not_take_a_file_away(client, own):
    assert client.get(reverse("crm:customers:export")).status_code == 403


def test_a_leads_file_holds_no_foreign_customers(client, db):
    team = make_department(parent=make_department())
    make_friend(make_agent(department=team), name="本组")
    make_friend(make_agent(), name="外组")
    client.force_login(make_user(Role.LEAD, departments=[team]))
    assert [row[1] for row in download(client)[1:]] == ["本组"]


def test_five_hundred_tags_on_one_customer_are_all_there(db, client, django_assert_max_num_queries):
    group = factories.make_tag().group
    names = [f"标签-{n:03d}" for n in range(500)]
    tags = [factories.make_tag(name=name, group=group).pk for name in names]
    friend = factories.make_friend(factories.make_agent(), tag_ids=tags)
    client.force_login(factories.make_user(Role.OPERATOR))
    with django_assert_max_num_queries(30):
        profile = client.get(reverse("crm:customers:profile", args=[friend.pk]))
    html = profile.content.decode()
    assert [name for name in names if f">{name}<" not in html] == []
    assert "共 500 个标签" in html
    listed = client.get(reverse("crm:customers:list")).content.decode()
    assert "+497" in listed
    file = client.get(reverse("crm:customers:export"), {"format": "csv", "col": "tags"})
    told = b"".join(file.streaming_content) if file.streaming else file.content
    assert "标签-499" in told.decode("utf-8-sig")
