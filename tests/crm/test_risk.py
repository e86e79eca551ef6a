"""The kept risk: features equal to a plain reading, blind to the future, scored as published."""

from datetime import timedelta
from math import exp

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from crm.identity.merging import merge
from crm.outreach.caps import SendSlot
from crm.risk.actions import Learned, RiskModelRefused, publish_model
from crm.risk.features import CODES, FEATURES, points, points_of, taken
from crm.risk.keeping import is_due, keep_risks
from crm.risk.models import CustomerRisk, RiskModel
from crm.risk.observing import known_sql, known_values
from crm.shared.times import local_day
from crm.subjects.erasing import erase
from crm.timeline.models import Fact
from tests.factories import make_agent, make_friend
from tests.risk_world import crowd, make_model, told, touched

pytestmark = pytest.mark.django_db
NOW = timezone.now().replace(microsecond=0)
DAY = timedelta(days=1)


def known(pairs, at) -> dict[int, list[float]]:
    """Customer → raw features, by the statement that fits and scores use."""
    asked = (
        "select * from unnest(%(c)s::bigint[], %(c)s::bigint[], %(a)s::bigint[],"
        " array_fill(%(at)s::timestamptz, array[%(n)s])) as t (key, customer_id, agent_id, at)"
    )
    values = known_values() | {"at": at, "n": len(pairs)}
    values |= {"c": [c.pk for c, _a in pairs], "a": [a.pk for _c, a in pairs]}
    with connection.cursor() as cursor:
        cursor.execute(known_sql(asked), values)
        return {row[0]: list(row[4:]) for row in cursor.fetchall()}


def read_plainly(customer, agent, at) -> list[float]:
    """The features by their definitions, one customer at a time."""
    facts = [
        (fact.kind.code, fact.agent_id, fact.at)
        for fact in Fact.unsafe_all.filter(customer=customer).select_related("kind")
        if fact.at < at
    ]

    def when(kind, by=None):
        return [t for k, a, t in facts if k == kind and by in (None, a)]

    friends = max(when("friend_added", agent.pk), default=None)
    if friends is None:
        friends = customer.contacts.get(agent=agent).added_at
        friends = friends if friends < at else at - 730 * DAY
    spoke = max(when("message_received"), default=None)
    slots = SendSlot.objects.filter(customer=customer).select_related("recipient__send")
    recent = [s for s in slots if at - 30 * DAY <= s.taken_at < at]
    promotions = [s for s in recent if s.recipient.send.content_kind == "promotion"]
    today = local_day(at)
    within = [today - n * DAY for n in range(1, 91)]
    lost = Fact.unsafe_all.filter(agent=agent, kind__code="friend_deleted_by_customer")
    lost = sum(local_day(fact.at) in within for fact in lost)
    theirs = SendSlot.objects.filter(recipient__agent=agent)
    written = sum(slot.day in within for slot in theirs)
    return [
        min(365, (at - (spoke or friends)) / DAY),
        sum(spoke is None or s.taken_at > spoke for s in recent),
        100 * len(promotions) / len(recent) if recent else 0,
        len(when("order_paid")),
        min(730, (at - friends) / DAY),
        len(when("friend_deleted_by_customer")),
        100 * lost / (written + 50),
    ]


@pytest.mark.parametrize("seed", range(4))
def test_features_are_what_a_plain_reading_says_at_any_instant(seed):
    pairs = crowd(seed, NOW)
    for at in (NOW, NOW - 20 * DAY):
        found = known(pairs, at)
        assert len(found) == len(pairs)
        for customer, agent in pairs:
            assert found[customer.pk] == pytest.approx(read_plainly(customer, agent, at))


def test_what_happens_at_the_instant_or_later_changes_no_feature():
    pairs, at = crowd(7, NOW), NOW - 20 * DAY
    before = known(pairs, at)
    for customer, agent in pairs:
        for later in (timedelta(0), timedelta(hours=1), 5 * DAY):
            touched(customer, agent, at + later)
            for kind in ("message_received", "order_paid", "friend_added"):
                told(customer, agent, kind, at + later)
            told(customer, agent, "friend_deleted_by_customer", at + later)
    assert known(pairs, at) == before
    assert known(pairs, NOW) != before


def test_without_a_trusted_model_published_points_count_and_no_number_is_made_up():
    pairs = crowd(3, NOW)
    assert keep_risks(now=NOW) == len(pairs)
    for row in CustomerRisk.unsafe_all.all():
        assert (row.model_id, row.probability) == (None, None)
        assert row.points == points_of(row.features)
        expected = "high" if row.points >= 60 else "mid" if row.points >= 35 else "low"
        assert row.band == expected
    row.probability = 0.5
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save()


def test_the_kept_probability_is_the_published_formula():
    crowd(5, NOW)
    model = make_model(NOW, unanswered=0.9, orders=-0.5, promo_share=0.01, silent_days=0.2)
    keep_risks(now=NOW)
    for row in CustomerRisk.unsafe_all.all():
        score = model.intercept + sum(
            weight["weight"] * taken(feature, raw)
            for feature, weight, raw in zip(FEATURES, model.weights, row.features, strict=True)
        )
        assert row.probability == pytest.approx(1 / (1 + exp(-score)))
        times = row.probability / model.base_rate
        assert row.band == ("high" if times >= 3 else "mid" if times >= 1.5 else "low")


@pytest.mark.parametrize("end", ["no_better", "withdrawn"])
def test_a_newer_version_that_failed_or_was_withdrawn_brings_nothing_older_back(end):
    crowd(5, NOW)
    make_model(NOW - DAY)
    keep_risks(now=NOW - DAY)
    assert not is_due(NOW - DAY)
    assert is_due(NOW + DAY)
    if end == "withdrawn":
        RiskModel.objects.update(is_withdrawn=True)
    else:
        publish_model(Learned(end, {}), by=None, now=NOW)
    assert is_due(NOW)
    keep_risks(now=NOW)
    assert set(CustomerRisk.unsafe_all.values_list("model", "probability")) == {(None, None)}
    assert RiskModel.newest(NOW - DAY).version == 1


def test_weights_of_other_features_are_refused():
    learned = Learned("trusted", {}, 0.0, [{"code": "shoe_size"}], 0.1)
    with pytest.raises(RiskModelRefused):
        publish_model(learned, by=None, now=NOW)


def test_whoever_is_nobodys_friend_has_no_risk_and_an_older_run_overwrites_no_newer():
    agent = make_agent()
    friend, gone = make_friend(agent), make_friend(agent)
    keep_risks(now=NOW - DAY)
    gone.contacts.update(status="deleted_by_customer", ended_at=NOW)
    keep_risks(now=NOW)
    assert list(CustomerRisk.unsafe_all.values_list("customer", "as_of")) == [(friend.pk, NOW)]
    keep_risks(now=NOW - 2 * DAY)
    assert CustomerRisk.unsafe_all.get().as_of == NOW


def test_merging_and_erasing_take_the_risk_along():
    agent = make_agent()
    one, two = make_friend(agent), make_friend(make_agent(), external_userid=None, customer_no=None)
    keep_risks(now=NOW)
    assert CustomerRisk.unsafe_all.count() == 2
    merge(one.pk, two.pk, now=NOW)
    row = CustomerRisk.unsafe_all.get()
    row.customer.contacts.update(status="deleted_by_customer", ended_at=NOW)
    erase(row.customer_id, now=NOW)
    assert not CustomerRisk.unsafe_all.exists()


@given(raw=st.lists(st.floats(0, 1000), min_size=len(CODES), max_size=len(CODES)))
def test_points_are_bounded_and_each_feature_gives_one_of_its_steps(raw):
    for feature, value in zip(FEATURES, raw, strict=True):
        assert points(feature, value) in {0, *(gives for _from, gives in feature.steps)}
    assert 0 <= points_of(raw) <= 100
