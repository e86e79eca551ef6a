"""The gate's own rules: who is left in peace, by which rule, at planning and at the last moment."""

import threading
from collections import Counter
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from crm.customers.models import Customer
from crm.gate.judging import judgement, window_of
from crm.gate.models import TouchRule, TouchSlot
from crm.outreach import caps
from crm.outreach.gate import TOUCHES, pass_gate
from crm.outreach.models import MassBatch, MassRecipient
from crm.shared.times import local_day
from tests.crm.test_outreach import SendWorld
from tests.factories import make_fact

pytestmark = pytest.mark.django_db
State, Check = MassRecipient.State, TouchRule.Check


@pytest.fixture
def world(sandbox, settings, db):
    return SendWorld(sandbox, settings)


def rule(world, test: str, code: str = "house", **given) -> TouchRule:
    """In force since a moment ago."""
    since = given.pop("valid_from", world.clock() - timedelta(minutes=1))
    return TouchRule.objects.create(code=code, test=test, valid_from=since, **given)


def left_out(send) -> dict[int, tuple[str, str, int]]:
    rows = send.recipients.filter(state=State.SKIPPED).exclude(reason="no_sender")
    return {
        pk: (reason, code, version)
        for pk, reason, code, version in rows.values_list(
            "customer_id", "reason", "rule", "rule_version"
        )
    }


def test_without_a_need_nobody_is_written_to_and_with_a_fresh_signal_it_passes(world):
    rule(world, Check.NEED, days=14, signals=["route_viewed"])
    fresh, stale, *_others = Customer.unsafe_all.order_by("pk")
    make_fact(fresh, "route_viewed", world.clock() - timedelta(days=3))
    make_fact(stale, "route_viewed", world.clock() - timedelta(days=15))
    send = world.sent()
    out = left_out(send)
    assert fresh.pk not in out
    assert out[stale.pk] == ("no_need", "house", 1)
    world.work()
    assert set(world.arrived("早安！")) == {fresh.external_userid}


def test_a_stage_that_wants_quiet_gets_quiet(world):
    rule(world, Check.STAGE, stages=["fatigue"])
    tired = Customer.unsafe_all.first()
    Customer.unsafe_all.filter(pk=tired.pk).update(stage="fatigue")
    assert left_out(world.sent()) == {tired.pk: ("stage", "house", 1)}


def test_who_did_not_answer_twice_is_left_in_peace_until_they_write(world):
    rule(world, Check.IGNORED, limit=2, days=30)
    for text in ("一", "二"):
        send = world.sent(text=text)
        assert left_out(send) == {}
        world.work()
        world.pass_(hours=1)
    talker = Customer.unsafe_all.order_by("pk").first()
    make_fact(talker, "message_received", world.clock() - timedelta(minutes=1))
    out = left_out(world.sent(text="三"))
    assert talker.pk not in out
    assert {reason for reason, _rule, _version in out.values()} == {"ignored"}


def test_a_cap_counts_its_own_kind_of_content_only(world):
    rule(world, Check.OWN_CAP, limit=1, window="week", content_kinds=["promotion"])
    world.sent(text="促销一")
    world.work()
    assert {reason for reason, *_rest in left_out(world.sent(text="促销二")).values()} == {
        "own_cap"
    }
    assert left_out(world.sent(text="早", content_kind="greeting")) == {}


def test_a_rule_takes_effect_at_its_date_and_the_last_word_is_spoken_at_the_call(world):
    tired = Customer.unsafe_all.first()
    Customer.unsafe_all.filter(pk=tired.pk).update(stage="fatigue")
    rule(world, Check.STAGE, stages=["fatigue"], valid_from=world.clock() + timedelta(hours=1))
    before, after = world.sent(text="之前"), world.sent(text="之后")
    assert left_out(before) == left_out(after) == {}
    batch = before.batches.get(recipients__customer=tired)
    pass_gate(batch, now=world.clock())
    assert left_out(before) == {}
    world.pass_(hours=2)
    world.work()
    assert left_out(after) == {tired.pk: ("stage", "house", 1)}
    assert tired.external_userid not in world.arrived("之后")


def test_a_newer_version_replaces_the_rule_and_one_that_is_off_says_nothing(world):
    rule(world, Check.STAGE, stages=["acquaintance"], valid_from=world.clock() - timedelta(days=2))
    rule(world, Check.STAGE, is_off=True)
    assert left_out(world.sent()) == {}


def test_of_several_rules_the_first_by_code_is_named(world):
    Customer.unsafe_all.update(stage="fatigue")
    rule(world, Check.STAGE, "b-stage", stages=["fatigue"])
    rule(world, Check.NEED, "a-need", days=1, signals=["order_paid"])
    assert {code for _reason, code, _v in left_out(world.sent()).values()} == {"a-need"}


@pytest.mark.parametrize(
    ("test", "lacking"),
    [
        (Check.OWN_CAP, {"limit"}),
        (Check.NEED, {"days", "signals"}),
        (Check.STAGE, {"stages"}),
        (Check.IGNORED, {"limit", "days"}),
        (Check.RISK, {"percent"}),
    ],
)
def test_a_rule_that_lacks_what_it_needs_names_the_field(world, test, lacking):
    with pytest.raises(ValidationError) as refused:
        TouchRule(code="x", test=test, valid_from=world.clock()).full_clean()
    assert set(refused.value.message_dict) == lacking


@given(day=st.dates(), window=st.sampled_from(TouchRule.Window.values))
def test_every_day_lies_in_one_window_and_windows_do_not_overlap(day, window):
    name, first, last = window_of(TouchRule(window=window), day)
    assert first <= day <= last
    for other in (first, last):
        assert window_of(TouchRule(window=window), other) == (name, first, last)
    if last < type(day).max:
        assert window_of(TouchRule(window=window), last + timedelta(days=1))[0] != name


def test_no_rule_is_no_question(world):
    said = judgement([], receiver="c.id", touches=TOUCHES, at=world.clock())
    assert (said.sql, said.values) == ("0", {})


# Fifty at once


def fifty_batches_at_once(world) -> Counter:
    """Fifty sends to the same people go out at the same instant; how many reach each of them."""
    cap = rule(world, Check.OWN_CAP, limit=3, window="day")
    caps.ReceiveCap.objects.create(code=caps.CODE, valid_from=world.clock(), is_off=True)
    sends = [world.sent(text=f"{n}", batch=1000, audience=world.two) for n in range(50)]
    batches = [send.batches.order_by("pk").first() for send in sends]
    assert cap.limit < len(batches)
    ready = threading.Barrier(50)

    def go(batch: MassBatch) -> None:
        try:
            ready.wait()
            pass_gate(batch, now=world.clock())
        finally:
            connection.close()

    threads = [threading.Thread(target=go, args=[batch]) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    waiting = MassRecipient.unsafe_all.filter(batch__in=batches, state=State.WAITING)
    return Counter(waiting.values_list("customer_id", flat=True))


@pytest.fixture
def crowd(world):
    """Two customers of one agent."""
    agent = world.agents[0]
    mine = Customer.unsafe_all.filter(contacts__agent=agent).order_by("pk")[:2]
    world.two = world.audience(Customer.unsafe_all.filter(pk__in=[one.pk for one in mine]))
    return world


@pytest.mark.django_db(transaction=True)
def test_fifty_dispatchers_at_once_cannot_exceed_a_cap(crowd):
    reached = fifty_batches_at_once(crowd)
    assert set(reached.values()) == {3}
    day = local_day(crowd.clock()).isoformat()
    assert set(TouchSlot.objects.values_list("bucket", "n")) == {(day, n) for n in (1, 2, 3)}


@pytest.mark.django_db(transaction=True)
def test_twin_without_the_slots_fifty_dispatchers_exceed_it(crowd, monkeypatch):
    monkeypatch.setenv("CHANGKE_GUARD_OFF", "gate.slots")
    assert max(fifty_batches_at_once(crowd).values()) > 3
