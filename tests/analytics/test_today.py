"""The page Today: by role, live, and every figure opens its people."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from crm.agents.access import Role
from crm.agents.actions import audit, issue_token
from crm.moments.models import Moment, MomentTask
from crm.sync.models import SyncObject, SyncRun
from tests.factories import (
    make_agent,
    make_customer,
    make_department,
    make_fact,
    make_friend,
    make_user,
)

TODAY = "analytics:dashboards:today"


@pytest.fixture
def agent(db):
    return make_agent(name="王芳")


@pytest.fixture
def own(client, agent):
    user = make_user(Role.AGENT, agent=agent)
    client.force_login(user)
    return user


def page(client) -> str:
    response = client.get(reverse(TODAY))
    assert response.status_code == 200
    return response.content.decode()


def live(client) -> str:
    return client.get(reverse("analytics:dashboards:today_live")).content.decode()


def make_moment(**overrides) -> Moment:
    now = timezone.now()
    values = {"title": "三亚早鸟", "publish_at": now + timedelta(hours=2), "content_hash": "x"}
    return Moment.unsafe_all.create(**values | {"publish_wall": "10:00"} | overrides)


def test_strangers_are_sent_to_sign_in(client, db):
    assert "/accounts/login/" in client.get(reverse(TODAY))["Location"]


def test_a_service_has_no_pages(client, db):
    client.force_login(make_user(Role.SERVICE))
    assert client.get(reverse(TODAY)).status_code == 403


@pytest.mark.parametrize("role", [r for r in Role.values if r != Role.SERVICE])
def test_everybody_who_signs_in_has_a_today(client, db, role):
    client.force_login(make_user(role))
    page(client)
    live(client)
    assert client.get(reverse("analytics:dashboards:today_work")).status_code == 200


def test_when_nothing_is_due_it_says_so_and_names_the_next_thing(client, db):
    client.force_login(make_user(Role.OPERATOR))
    make_moment(title="周末特惠")
    text = page(client)
    assert "都处理完了" in text
    assert "周末特惠" in text


def test_friends_without_an_answer_are_named_longest_wait_first(client, own, agent):
    now = timezone.now()
    for name, hours in (("后来的", 1), ("先来的", 5)):
        friend = make_friend(agent, name=name)
        make_fact(friend, "message_received", now - timedelta(hours=hours), agent_id=agent.pk)
    text = page(client)
    assert "2 位好友在等回复" in text
    assert text.index("先来的") < text.index("后来的")


def test_an_answer_ends_the_waiting(client, own, agent):
    now = timezone.now()
    friend = make_friend(agent)
    make_fact(friend, "message_received", now - timedelta(hours=5), agent_id=agent.pk)
    make_fact(friend, "message_sent", now - timedelta(hours=4), agent_id=agent.pk)
    assert "都处理完了" in page(client)


def test_those_who_wait_for_others_are_not_named(client, own):
    other = make_agent()
    make_fact(make_friend(other), "message_received", timezone.now(), agent_id=other.pk)
    assert "都处理完了" in page(client)


def test_a_new_friend_appears_in_the_live_part(client, own, agent):
    assert "小鹿" not in live(client)
    friend = make_friend(agent, name="小鹿")
    make_fact(friend, "friend_added", timezone.now(), agent_id=agent.pk)
    assert "小鹿" in live(client)


def test_every_counter_opens_exactly_its_people(client, own, agent):
    now = timezone.now()
    for n in range(3):
        friend = make_friend(agent, name=f"今天{n}")
        make_fact(friend, "friend_added", now, agent_id=agent.pk)
        make_fact(friend, "message_received", now, agent_id=agent.pk)
        make_fact(friend, "message_received", now, agent_id=agent.pk)
    make_fact(make_friend(make_agent()), "friend_added", now)
    counters = {c.label: c for c in client.get(reverse(TODAY)).context["counters"]}
    assert (counters["新好友"].times, counters["新好友"].people) == (3, 3)
    assert (counters["客户消息"].times, counters["客户消息"].people) == (6, 3)
    opened = [counter for counter in counters.values() if counter.href]
    assert {c.label for c in opened} == {"新好友", "客户消息"}
    for counter in opened:
        listed = client.get(counter.href).context["page"]
        assert listed.total == counter.people, counter.label


def test_losses_name_the_agent_and_what_the_customer_was_worth(client, own, agent):
    lost = make_friend(agent, name="老客", paid_cents=1_234_500)
    make_fact(lost, "friend_deleted_by_customer", timezone.now(), agent_id=agent.pk)
    text = live(client)
    assert "老客" in text
    assert "删除了 王芳" in text
    assert "¥12,345.00" in text


def test_a_lead_is_asked_to_approve_what_others_wrote(client, db):
    team = make_department(parent=make_department())
    agent = make_agent(department=team)
    lead = make_user(Role.LEAD, departments=[team])
    author = make_user(Role.OPERATOR)
    moment = make_moment(state=Moment.State.WAITING, created_by=author)
    MomentTask.unsafe_all.create(moment=moment, agent=agent)
    own = make_moment(state=Moment.State.WAITING, created_by=lead, title="自己写的")
    MomentTask.unsafe_all.create(moment=own, agent=agent)
    client.force_login(lead)
    text = page(client)
    assert "1 条朋友圈待您审批" in text
    assert "自己写的" not in text


def test_an_agent_is_reminded_of_posts_not_yet_published(client, own, agent):
    moment = make_moment(state=Moment.State.PUBLISHING)
    MomentTask.unsafe_all.create(moment=moment, agent=agent)
    MomentTask.unsafe_all.create(moment=moment, agent=make_agent(name="别人"))
    text = page(client)
    assert "三亚早鸟" in text
    assert "别人" not in text


def test_a_reviewer_reads_who_looked_at_customer_data_and_why(client, agent):
    friend = make_friend(agent)
    audit(make_user(Role.LEAD, username="查看者"), "customer.reveal", friend, reason="投诉回访")
    client.force_login(make_user(Role.REVIEWER))
    text = page(client)
    assert "查看者" in text
    assert "投诉回访" in text
    assert reverse("crm:customers:profile", args=[friend.pk]) in text


def test_an_administrator_sees_deeds_and_tokens_but_no_customers(client, agent):
    admin = make_user(Role.ADMIN)
    friend = make_friend(agent, name="不该出现")
    audit(admin, "customer.reveal", friend, reason="核对")
    soon = timezone.now() + timedelta(days=3)
    issue_token(
        user=make_user(Role.SERVICE), name="订单接口", permissions=[], expires_at=soon, by=admin
    )
    client.force_login(admin)
    text = page(client)
    assert "订单接口" in text
    assert "不该出现" not in text
    assert reverse("crm:customers:profile", args=[friend.pk]) not in text


def sync_ran(finished_at) -> None:
    run = {"state": SyncRun.State.DONE, "started_at": finished_at, "touched_at": finished_at}
    for name in SyncObject.values:
        SyncRun.objects.create(object=name, finished_at=finished_at, **run)


def test_the_state_of_the_sync_stands_in_one_line(client, db):
    client.force_login(make_user(Role.OPERATOR))
    assert "首次同步进行中" in page(client)
    now = timezone.now()
    sync_ran(now - timedelta(days=2))
    assert "同步迟了" in page(client)
    sync_ran(now)
    assert "同步正常" in page(client)
    last = {"object": SyncObject.GROUPS, "state": SyncRun.State.FAILED, "error": "45009"}
    SyncRun.objects.create(started_at=now, touched_at=now, finished_at=now, **last)
    assert "客户群同步失败" in page(client)


def test_only_those_who_may_are_led_to_the_sync(client, db):
    for role, led in ((Role.OPERATOR, True), (Role.AGENT, False)):
        client.force_login(make_user(role))
        assert (reverse("crm:sync:health") in page(client)) == led


def test_the_page_costs_a_constant_number_of_queries(
    client, own, agent, django_assert_max_num_queries
):
    now = timezone.now()
    for _n in range(12):
        friend = make_friend(agent)
        for kind in ("friend_added", "message_received", "friend_deleted_by_customer"):
            make_fact(friend, kind, now, agent_id=agent.pk)
    make_customer()
    with django_assert_max_num_queries(36):
        page(client)
