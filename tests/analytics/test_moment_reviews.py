"""The review of a post: plan, viewers, clicks, deletions, costs, lessons, and the one before."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from analytics.results.clicks import moment_clicks
from crm.agents.access import Role
from crm.links.actions import address_of, make_link
from crm.links.models import LinkClick
from crm.moments.models import Moment, MomentAudience, MomentReaction, MomentTask
from crm.reviews.actions import CostLine, note_cost, note_lesson
from tests import factories
from tests.analytics.send_world import made_send

pytestmark = pytest.mark.django_db
DAYS_AGO = 10


@pytest.fixture
def operator(client):
    user = factories.make_user(Role.OPERATOR)
    client.force_login(user)
    return user


@pytest.fixture
def company():
    return factories.make_department()


@pytest.fixture
def agent(company):
    return factories.make_agent(department=factories.make_department(parent=company))


@pytest.fixture
def link(operator):
    return make_link(target="https://a.example/1", title="三亚", by=operator, now=timezone.now())


def made_moment(agent, text: str, **more) -> Moment:
    at = timezone.now() - timedelta(days=DAYS_AGO)
    moment = Moment.unsafe_all.create(
        title="三亚早鸟", text=text, publish_at=at, publish_wall=f"{at:%Y-%m-%dT%H:%M}",
        content_hash="x", state="done", wecom_moment_id=f"m{Moment.unsafe_all.count()}",
        planned_customers=12, everyone=True, **more,
    )  # fmt: skip
    MomentTask.unsafe_all.create(
        moment=moment, agent=agent, is_published=True, published_at=at, planned_customers=12
    )
    return moment


def shown(moment: Moment, n: int) -> list:
    task = moment.tasks.get()
    friends = [factories.make_friend(task.agent) for _n in range(n)]
    MomentAudience.unsafe_all.bulk_create(
        MomentAudience(task=task, customer=one, seen_at=moment.publish_at) for one in friends
    )
    return friends


def told(customer, kind: str, moment: Moment, days: float, **more) -> None:
    factories.make_fact(customer, kind, moment.publish_at + timedelta(days=days), **more)


@pytest.fixture
def moment(agent, link):
    """Ten could see it: one likes, one comments, three pay 100, one of them after the opening."""
    moment = made_moment(agent, f"早鸟 {address_of(link)}")
    friends, task = shown(moment, 10), moment.tasks.get()
    for one, kind in ((friends[0], "like"), (friends[1], "comment")):
        MomentReaction.unsafe_all.create(task=task, customer=one, kind=kind, at=moment.publish_at)
    for one, days in ((friends[0], 1), (friends[1], 1), (friends[2], 3), (friends[3], 8)):
        told(one, "order_paid", moment, days, amount_cents=10_000)
    told(friends[0], "order_refunded", moment, 2, amount_cents=4_000)
    stranger = factories.make_friend(agent)
    told(stranger, "order_paid", moment, 3, amount_cents=77_000)
    for days in (-1, 2, 2.5):
        at = moment.publish_at + timedelta(days=days)
        LinkClick.objects.create(link=link, at=at, visitor="a")
    return moment


def page(client, moment, **query):
    return client.get(reverse("analytics:results:moment_review", args=[moment.pk]), query)


def test_the_page_tells_the_plan_who_could_see_it_and_what_followed(client, operator, moment):
    answer = page(client, moment)
    found = answer.context["review"]
    assert (found.told.planned_customers, found.told.agents, found.told.published) == (12, 1, 1)
    named = ("visible", "liked", "commented", "ordered")
    assert [found.people(what) for what in named] == [10, 1, 1, 3]
    assert (found.orders, found.money_cents) == (3, 26_000)
    html = answer.content.decode()
    for words in ("未证明", "归因规则", "先后不等于因果", "还没有人记成本"):
        assert words in html, words
    for label, number, _share in answer.context["viewers"]:
        if number.value:
            assert client.get(number.href).context["page"].total == number.value, label
    assert reverse("analytics:results:moment_review", args=[moment.pk]) in (
        client.get(reverse("crm:moments:detail", args=[moment.pk])).content.decode()
    )


def test_orders_after_a_link_was_opened_are_a_ceiling_of_those_who_could_see_it(
    client, operator, moment, link
):
    made_send(percent=0, text=f"也看 {address_of(link)}")
    answer = page(client, moment)
    [row] = answer.context["clicks"]
    assert (row.link.told.opened, row.link.orders, row.link.elsewhere) == (2, 1, 1)
    assert client.get(row.buyers.href).context["page"].total == row.buyers.value == 1
    # After a month the late order is counted, too; the stranger's never is.
    assert moment_clicks(moment, days=30, user=operator)[0].orders == 2
    wrong = reverse("analytics:figures:people", args=["moment-link-orders"])
    for query in ({}, {"moment": moment.pk, "link": "9"}, {"moment": "x", "link": link.pk}):
        assert client.get(wrong, query).status_code == 422


def test_costs_are_shared_out_over_who_could_see_it_and_who_ordered(client, operator, moment):
    address = reverse("analytics:results:moment_cost", args=[moment.pk])
    client.post(address, {"label": "拍照", "amount": "20", "source": "发票 7"})
    client.post(address, {"label": "文案", "hours": "0.5", "hourly": "80", "source": "小李"})
    answer = page(client, moment)
    found = answer.context["review"]
    assert (found.cost_cents, found.cost_per(10)) == (6_000, 600)
    assert [cents for _label, cents in answer.context["costs_each"]] == [600, 2_000]
    refused = client.post(address, {"label": "a", "source": "x"})
    assert refused.status_code == 422 and "amount" in refused.context["cost_form"].errors
    dropped = {"cost": found.costs[0].pk}
    for _twice in range(2):
        client.post(reverse("analytics:results:moment_uncost", args=[moment.pk]), dropped)
    assert page(client, moment).context["review"].cost_cents == 4_000
    lesson = reverse("analytics:results:moment_lesson", args=[moment.pk])
    assert client.post(lesson, {"text": " "}).status_code == 422
    client.post(lesson, {"text": "图太暗"})
    assert "图太暗" in page(client, moment).content.decode()


def test_deletions_above_the_usual_turn_the_review_red_whatever_was_sold(
    client, operator, moment, agent
):
    assert not page(client, moment).context["review"].eats_the_asset
    for friend in [factories.make_friend(agent) for _n in range(6)]:
        told(friend, "friend_deleted_by_customer", moment, 1, agent_id=agent.pk)
    answer = page(client, moment)
    assert answer.context["review"].eats_the_asset
    assert "正在消耗客户关系" in answer.content.decode()
    for number in (answer.context["together"], answer.context["deletions"][0].number):
        assert (number.value, client.get(number.href).context["page"].total) == (6, 6)
    results = client.get(reverse("analytics:results:moment", args=[moment.pk]))
    assert results.context["excess"] == answer.context["excess"]


def test_days_that_are_not_over_are_said_to_be_so(client, operator, moment):
    assert page(client, moment).context["review"].is_over
    answer = page(client, moment, days=14)
    assert not answer.context["review"].is_over
    assert "在那之前数字还会变" in answer.content.decode()
    # Whoever published last is watched for as long as the others.
    late = moment.publish_at + timedelta(days=4)
    task = MomentTask.unsafe_all.create(
        moment=moment, agent=factories.make_agent(), is_published=True, published_at=late
    )
    assert not page(client, moment).context["review"].is_over
    assert page(client, moment).context["review"].ends_at == task.published_at + timedelta(days=7)


def test_what_changed_since_the_post_before_stands_beside_both_results(
    client, operator, moment, agent, company
):
    last = made_moment(agent, "早上好", control_percent=0)
    told(shown(last, 4)[0], "order_paid", last, 1, amount_cents=5_000)
    Moment.unsafe_all.filter(pk=moment.pk).update(follows=last)
    compared = page(client, moment).context["before"]
    assert compared.last == last
    assert [pair.label for pair in compared.changes] == ["文字"]
    numbers = {pair.label: (pair.before, pair.now) for pair in compared.numbers}
    assert numbers["能看到的客户"] == ("4", "10")
    assert numbers["下单率"][0].startswith("25") and numbers["下单率"][1].startswith("30")
    assert numbers["净收入"] == ("¥50.00", "¥260.00")
    # Who may not see the post before is not told of it.
    elsewhere = factories.make_agent(department=factories.make_department(parent=company))
    last.tasks.update(agent=elsewhere)
    client.force_login(factories.make_user(Role.LEAD, departments=[agent.department]))
    assert page(client, moment).context["before"] is None


def test_the_next_post_begins_from_this_one_and_its_trail_tells_what_was_noted(
    client, operator, moment
):
    note_lesson(of=moment, text="周末发得太晚", by=operator, now=timezone.now())
    answer = client.post(reverse("analytics:results:moment_next", args=[moment.pk]))
    made = Moment.unsafe_all.latest("pk")
    assert answer["Location"] == reverse("crm:moments:edit", args=[made.pk])
    assert (made.follows, made.state, made.text) == (moment, "draft", moment.text)
    assert "周末发得太晚" in client.get(answer["Location"]).content.decode()
    trail = client.get(reverse("crm:moments:detail", args=[moment.pk])).context["deeds"]
    assert [deed.what for deed in trail] == ["写下经验"]


def test_file_and_api_tell_what_the_page_tells(client, operator, moment):
    note_cost(of=moment, line=CostLine("券", "x", 6_000), by=operator, now=timezone.now())
    note_lesson(of=moment, text="少发", by=operator, now=timezone.now())
    file = client.get(reverse("analytics:results:moment_review_file", args=[moment.pk]))
    rows = b"".join(file.streaming_content).decode("utf-8-sig")
    for words in (
        "计划可见,12",
        "能看到的客户,10",
        "净收入（元）,260",
        "打开次数,2",
        "合计（元）,60",
        "少发",
    ):
        assert words in rows, words
    api = APIClient()
    api.force_authenticate(operator)
    found = api.get(reverse("analytics:results:moment_review_api", args=[moment.pk])).json()
    assert found == page(client, moment).context["review"].as_json()
    assert (found["visible"], found["ordered"], found["cost_per_visible_cents"]) == (10, 3, 600)
    assert found["has_control"] is False


def test_who_may_not_plan_reads_and_writes_nothing_and_scope_holds(client, moment, company):
    client.force_login(factories.make_user(Role.REVIEWER))
    names = ("cost", "uncost", "lesson", "next")
    for name in names:
        address = reverse(f"analytics:results:moment_{name}", args=[moment.pk])
        assert client.post(address).status_code == 403
    elsewhere = factories.make_department(parent=company)
    client.force_login(factories.make_user(Role.LEAD, departments=[elsewhere]))
    assert page(client, moment).status_code == 404
    for name in names:
        address = reverse(f"analytics:results:moment_{name}", args=[moment.pk])
        assert client.post(address).status_code in (403, 404)
    assert not moment.costs.exists() and Moment.unsafe_all.count() == 1
