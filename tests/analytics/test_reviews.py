"""The review of a send: plan, people, clicks, costs and lessons, and the next one from it."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from analytics.results.aftermath import Aftermath, Start
from analytics.results.reviews import Review
from crm.agents.access import Role
from crm.agents.models import AuditEntry
from crm.audiences.actions import freeze_audience
from crm.links.actions import address_of, make_link
from crm.links.models import LinkClick
from crm.outreach.models import MassRecipient, MassSend
from crm.reviews.actions import CostLine, ReviewRefused, note_cost, note_lesson, start_next
from tests import factories
from tests.analytics.send_world import add_people, made_send, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client):
    user = factories.make_user(Role.OPERATOR)
    client.force_login(user)
    return user


@pytest.fixture
def agent():
    return factories.make_agent(department=factories.make_department())


@pytest.fixture
def send(operator, agent):
    link = make_link(target="https://a.example/1", title="三亚", by=operator, now=timezone.now())
    row = made_send(percent=0, text=f"早鸟 {address_of(link)}")
    friends = add_people(row, agent, 20)
    MassRecipient.unsafe_all.filter(send=row, customer__in=friends[:16]).update(result=1)
    for friend in friends[:4]:
        told(friend, "order_paid", row, 1, amount_cents=100_000)
    for friend in friends[:6]:
        told(friend, "message_received", row, 0.5)
    for n in range(5):
        at = row.send_at + timedelta(hours=n)
        LinkClick.objects.create(link=link, at=at, visitor=f"v{n % 3}")
    LinkClick.objects.create(link=link, at=row.send_at - timedelta(days=1), visitor="early")
    return row


def page(client, send):
    return client.get(reverse("analytics:results:review", args=[send.pk]))


def test_the_page_tells_plan_people_clicks_and_orders(client, operator, send):
    shown = page(client, send)
    found = shown.context["review"]
    assert (found.tally.planned, found.tally.received, found.orders) == (20, 16, 4)
    assert found.money_cents == 400_000
    [link] = found.links
    assert (link.told.opened, link.told.visitors) == (5, 3)
    html = shown.content.decode()
    assert "打开人次" in html and "未证明" in html
    assert found.cost_cents is None and found.cost_per(found.orders) is None
    assert "还没有人记成本" in html


def test_costs_are_shared_out_over_who_was_reached_and_who_ordered(client, operator, send):
    address = reverse("analytics:results:cost", args=[send.pk])
    client.post(address, {"label": "优惠券", "amount": "320", "source": "发票 7"})
    client.post(address, {"label": "文案", "hours": "1.5", "hourly": "80", "source": "小李"})
    found = page(client, send).context["review"]
    assert [line.amount_cents for line in found.costs] == [32_000, 12_000]
    assert found.cost_cents == 44_000
    assert found.cost_per(found.tally.received) == 2_750
    assert found.cost_per(found.orders) == 11_000
    dropped = {"cost": found.costs[0].pk}
    client.post(reverse("analytics:results:uncost", args=[send.pk]), dropped)
    client.post(reverse("analytics:results:uncost", args=[send.pk]), dropped)
    assert page(client, send).context["review"].cost_cents == 12_000
    actions = list(
        AuditEntry.objects.filter(object_type="masssend").values_list("action", flat=True)
    )
    assert sorted(actions).count("send.cost") == 2
    assert actions.count("send.cost_dropped") == 1


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"label": " ", "amount": "3", "source": "x"}, "label"),
        ({"label": "a", "amount": "3", "source": " "}, "source"),
        ({"label": "a", "source": "x"}, "amount"),
        ({"label": "a", "amount": "3", "hours": "1", "hourly": "2", "source": "x"}, "amount"),
        ({"label": "a", "hours": "1", "source": "x"}, "amount"),
        ({"label": "a", "amount": "-3", "source": "x"}, "amount"),
        ({"label": "a", "amount": "1e400", "source": "x"}, "amount"),
    ],
)
def test_a_cost_that_says_too_little_or_too_much_is_refused_at_its_field(
    client, operator, send, given, field
):
    answer = client.post(reverse("analytics:results:cost", args=[send.pk]), given)
    assert answer.status_code == 422
    assert field in answer.context["cost_form"].errors
    assert not send.costs.exists()


@given(minutes=st.integers(0, 600_000), hourly=st.integers(0, 10_000_000))
def test_hours_at_a_rate_come_to_the_nearest_cent(minutes, hourly):
    line = CostLine("a", "b", minutes=minutes, hourly_cents=hourly)
    assert abs(line.total_cents * 60 - minutes * hourly) <= 30


def test_nobody_writes_more_lines_than_a_review_can_hold(operator, send):
    for n in range(50):
        note_cost(of=send, line=CostLine(str(n), "x", 1), by=operator, now=timezone.now())
    with pytest.raises(ReviewRefused):
        note_cost(of=send, line=CostLine("a", "x", 1), by=operator, now=timezone.now())


def test_deletions_above_the_usual_turn_the_review_red_whatever_was_sold(
    client, operator, send, agent
):
    assert not page(client, send).context["review"].eats_the_asset
    for friend in [factories.make_friend(agent) for _n in range(6)]:
        told(friend, "friend_deleted_by_customer", send, 1, agent_id=agent.pk)
    shown = page(client, send)
    assert shown.context["review"].eats_the_asset
    assert "正在消耗客户关系" in shown.content.decode()
    number = shown.context["together"]
    assert (number.value, client.get(number.href).context["page"].total) == (6, 6)


def test_accounts_that_stand_out_by_chance_are_not_named_and_many_small_excesses_are_seen(operator):
    def row(agent_id: int, p_value: float, people: range, usual: float) -> Aftermath:
        start = Start(agent_id, agent_id, timezone.now())
        return Aftermath(start, str(agent_id), usual, p_value, tuple(people))

    def found(rows: list[Aftermath]) -> Review:
        return Review(found=None, tally=None, links=[], after=rows, costs=[], lessons=[])

    # One of thirty below five percent is what chance brings.
    quiet = [row(n, 0.9, range(0), 0.2) for n in range(29)]
    lucky = found([row(99, 0.03, range(2), 0.3), *quiet])
    assert lucky.alarming == [] and not lucky.eats_the_asset
    # Nobody stands out, and yet twice as many left as usually do.
    small = found([row(n, 0.2, range(2 * n, 2 * n + 2), 1.0) for n in range(30)])
    assert small.alarming == [] and small.eats_the_asset
    assert (len(small.excess.people), small.excess.usual) == (60, 30.0)
    assert small.excess.p_value < 0.001
    assert found([]).excess is None


def test_what_changed_since_the_send_before_stands_beside_both_results(
    client, operator, send, agent
):
    last = made_send(percent=0, text="早上好")
    told(add_people(last, agent, 4)[0], "order_paid", last, 1, amount_cents=5_000)
    MassSend.unsafe_all.filter(pk=send.pk).update(follows=last)
    shown = page(client, send)
    compared = shown.context["before"]
    assert compared.last == last
    assert {pair.label for pair in compared.changes} >= {"文字"}
    numbers = {pair.label: (pair.before, pair.now) for pair in compared.numbers}
    assert numbers["计划人数"] == ("4", "20")
    assert numbers["下单率"][0].startswith("25")
    assert numbers["净收入"] == ("¥50.00", "¥4,000.00")
    assert "先后不等于因果" in shown.content.decode()
    MassSend.unsafe_all.filter(pk=send.pk).update(follows=None)
    assert page(client, send).context["before"] is None


def test_the_next_plan_begins_from_this_one_with_its_lessons_beside(client, operator, send, agent):
    segment_people = [factories.make_friend(agent) for _n in range(3)]
    audience = freeze_audience(
        name="三亚",
        customer_ids=[one.pk for one in segment_people],
        by=operator,
        now=timezone.now(),
    )
    MassSend.unsafe_all.filter(pk=send.pk).update(audience=audience)
    send.refresh_from_db()
    note_lesson(of=send, text="周末发得太晚", by=operator, now=timezone.now())
    answer = client.post(reverse("analytics:results:next", args=[send.pk]))
    made = MassSend.unsafe_all.exclude(pk=send.pk).get()
    assert answer["Location"] == reverse("crm:outreach:edit", args=[made.pk])
    assert (made.follows, made.state, made.text) == (send, "draft", send.text)
    assert (made.audience, made.approved_by) == (audience, None)
    assert made.send_at > timezone.now()
    assert "周末发得太晚" in client.get(answer["Location"]).content.decode()


def test_a_send_that_cannot_be_repeated_says_why(client, operator, send):
    answer = client.post(reverse("analytics:results:next", args=[send.pk]), follow=True)
    assert answer.status_code == 200
    assert MassSend.unsafe_all.count() == 1
    assert [str(one) for one in answer.context["messages"]]


def test_file_and_api_tell_what_the_page_tells(client, operator, send):
    note_cost(of=send, line=CostLine("券", "x", 5_000), by=operator, now=timezone.now())
    note_lesson(of=send, text="少发", by=operator, now=timezone.now())
    file = client.get(reverse("analytics:results:file", args=[send.pk]), {"format": "csv"})
    body = b"".join(file.streaming_content) if file.streaming else file.content
    told_rows = body.decode("utf-8-sig")
    for words in ("送达,16", "下单,4", "净收入（元）,4000", "打开次数,5", "合计（元）,50", "少发"):
        assert words in told_rows, words
    api = APIClient()
    api.force_authenticate(operator)
    found = api.get(reverse("analytics:results:review_api", args=[send.pk])).json()
    assert found == page(client, send).context["review"].as_json()
    assert (found["reached"], found["ordered"], found["money_cents"]) == (16, 4, 400_000)
    assert found["cost_per_order_cents"] == 1_250


def test_who_may_not_plan_reads_and_writes_nothing(client, send, agent):
    manager = factories.make_user(Role.MANAGER, departments=[agent.department])
    client.force_login(manager)
    html = page(client, send).content.decode()
    assert "记一行成本" not in html and "由此做下一次" not in html
    for name in ("cost", "uncost", "lesson", "next"):
        assert client.post(reverse(f"analytics:results:{name}", args=[send.pk])).status_code == 403
    elsewhere = factories.make_department(parent=agent.department)
    client.force_login(factories.make_user(Role.LEAD, departments=[elsewhere]))
    assert page(client, send).status_code == 404


def test_start_next_needs_a_send_to_customers(operator, agent):
    row = made_send(target="groups")
    with pytest.raises(Exception, match="客户群"):
        start_next(send=row, by=operator, now=timezone.now())
