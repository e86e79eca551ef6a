"""A rule about the risk of deletion: at planning and at the call, and never without a number."""

from datetime import UTC, date, datetime, timedelta

import pytest

from crm.customers.models import Customer
from crm.gate.models import TouchRule
from crm.outreach.models import MassBatch, MassRecipient, MassSend, Replay
from crm.outreach.planning import dry_run
from crm.outreach.replaying import replay_month
from crm.risk.keeping import keep_risks
from crm.risk.models import RiskModel
from tests.crm.test_outreach import SendWorld
from tests.factories import make_agent, make_friend, make_user
from tests.risk_world import make_model, told, touched

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(sandbox, settings, db):
    return SendWorld(sandbox, settings)


def rule(now: datetime, **given) -> TouchRule:
    values = {"code": "risk", "test": "risk", "percent": 20, "valid_from": now} | given
    return TouchRule.objects.create(**values)


def risky(now: datetime, customer: Customer) -> None:
    """Somebody who deleted before: 50 % by the model, everybody else 2 %."""
    agent = customer.contacts.first().agent
    told(customer, agent, "friend_deleted_by_customer", now - timedelta(days=200))
    make_model(now, came_back=4.0)
    keep_risks(now=now)


def left_out(send: MassSend) -> dict[int, tuple]:
    rows = send.recipients.filter(state="skipped").exclude(reason="no_sender")
    return {
        pk: said for pk, *said in rows.values_list("customer_id", "reason", "rule", "rule_version")
    }


def test_who_would_probably_delete_us_is_left_in_peace_and_the_dry_run_says_so(world):
    now, who = world.clock(), Customer.unsafe_all.order_by("pk").first()
    rule(now, content_kinds=["promotion"])
    asked = {"audience_id": world.everybody.pk, "send_at": now, "now": now}
    before = dry_run(**asked)
    assert "risk" not in dict(before.left_out)
    risky(now, who)
    after = dry_run(**asked)
    assert dict(after.left_out)["risk"] == 1
    assert after.reached == before.reached - 1
    assert left_out(world.sent()) == {who.pk: ["risk", "risk", 1]}
    assert left_out(world.sent(text="早", content_kind="greeting")) == {}


def test_it_is_judged_again_at_the_call(world):
    who = Customer.unsafe_all.order_by("pk").first()
    rule(world.clock())
    send = world.sent()
    assert left_out(send) == {}
    risky(world.clock(), who)
    world.work()
    assert left_out(send) == {who.pk: ["risk", "risk", 1]}
    assert who.external_userid not in world.arrived("早安！")


def test_at_the_limit_or_without_a_trusted_number_nobody_is_stopped(world):
    now, who = world.clock(), Customer.unsafe_all.order_by("pk").first()
    at_limit = rule(now, percent=50)
    risky(now, who)
    assert left_out(world.sent()) == {}
    TouchRule.objects.filter(pk=at_limit.pk).update(percent=49)
    assert set(left_out(world.sent(text="二"))) == {who.pk}
    RiskModel.objects.update(is_withdrawn=True)
    assert left_out(world.sent(text="三")) == {}
    keep_risks(now=now)
    assert left_out(world.sent(text="四")) == {}


def test_the_words_say_that_nobody_without_a_number_is_stopped():
    words = TouchRule(code="x", test="risk", percent=5, content_kinds=["promotion"]).in_words
    assert words == "营销 · 删除风险高于 5% 的不发；没有分数的照常发"


def test_a_replay_stops_by_the_risk_as_it_is_now():
    now, agent = datetime(2026, 11, 20, tzinfo=UTC), make_agent()
    people = [make_friend(agent), make_friend(agent)]
    for customer in people:
        row = touched(customer, agent, now - timedelta(days=30))
        row.batch = MassBatch.unsafe_all.create(
            send=row.send, agent=agent, number=0, size=1, state="done"
        )
        row.save()
    risky(now, people[0])
    rule(now)
    replay = Replay.objects.create(
        month=date(2026, 10, 1), as_of=now, made_by=make_user(), made_at=now
    )
    assert replay_month(replay) == (2, 1)
    assert [stop.customer for stop in replay.stops.all()] == [people[0]]
    assert MassRecipient.unsafe_all.filter(state="done").count() == 2
