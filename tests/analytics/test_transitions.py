"""Transitions against a slow, obvious count, and what a reader would check by hand."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.events.columns import from_arrays
from analytics.events.live import LiveSource
from analytics.events.refresh import refresh
from analytics.events.source import TableSource
from analytics.funnels.question import QuestionRefused
from analytics.transitions.engine import answer, people, stage_of_each
from analytics.transitions.question import STAGES, transition_from
from tests import factories

ZONE = ZoneInfo("Asia/Shanghai")
KINDS = {
    "friend_added": 1,
    "friend_deleted_by_customer": 2,
    "order_paid": 11,
    "message_received": 7,
}
START = datetime(2026, 1, 1, 15, 59, tzinfo=UTC)  # A minute before midnight in Shanghai.


def stage_on(day, events, by):
    """The definition, said again: `events` are (at, event, agent) of one customer."""
    cut = datetime.combine(day + timedelta(days=1), datetime.min.time(), ZONE)
    seen = sorted((e for e in events if e[0] < cut), key=lambda e: e[0])
    if not seen:
        return "unknown"
    orders = [at for at, event, _agent in seen if event == "order_paid"]
    days = len({at.astimezone(ZONE).date() for at in orders})
    if by == "loyalty":
        return ["passer_by", "single", "regular"][min(days, 2)]
    friends, since = set(), None
    for at, event, agent in seen:
        if event == "friend_added":
            friends.add(agent)
            since = since or at
        elif event == "friend_deleted_by_customer":
            friends.discard(agent)
    heard = [at for at, event, _agent in seen if event in ("order_paid", "message_received")]
    if since and not friends:
        return "win_back"
    if days and max(heard) < cut - timedelta(days=120):
        return "fatigue"
    if days >= 2 or (days == 1 and max(orders) >= cut - timedelta(days=30)):
        return "warmth"
    if days == 1 or (since and since < cut - timedelta(days=30)):
        return "familiarity"
    return "acquaintance"


@st.composite
def logs(draw):
    minutes = st.one_of(
        st.integers(0, 60 * 24 * 200), st.integers(0, 200).map(lambda day: day * 1440 + 1)
    )
    # Whole minutes apart: two relations of one agent at the same instant have no order.
    events = st.tuples(st.integers(1, 4), minutes, st.sampled_from(list(KINDS)), st.integers(1, 3))
    rows = draw(st.lists(events, min_size=1, max_size=25, unique_by=lambda row: (row[0], row[1])))
    return [(who, START + timedelta(minutes=at), event, agent) for who, at, event, agent in rows]


def source_of(log):
    columns = from_arrays(
        np.array([row[0] for row in log]),
        np.array([int(row[1].timestamp()) * 1_000_000 for row in log]),
        np.array([KINDS[row[2]] for row in log]),
        agent=np.array([row[3] for row in log]),
    )
    seconds = [int(row[1].timestamp()) for row in log]
    return TableSource([columns], KINDS, (min(seconds), max(seconds)))


@given(logs(), st.integers(0, 210), st.integers(0, 210), st.sampled_from(["loyalty", "life"]))
@settings(max_examples=300, deadline=None)
def test_everybody_stands_where_the_definition_says(log, first, second, by):
    days = sorted(START.date() + timedelta(days=n) for n in (first, second))
    question = transition_from({"from": str(days[0]), "to": str(days[1]), "by": by})
    source = source_of(log)
    expected = {
        who: tuple(stage_on(day, [row[1:] for row in log if row[0] == who], by) for day in days)
        for who in {row[0] for row in log}
    }
    assert stage_of_each(question, source) == expected
    found = answer(question, source)
    assert found.customers == len(expected)
    for i, before in enumerate(STAGES[by]):
        for j, after in enumerate(STAGES[by]):
            behind = sorted(who for who, pair in expected.items() if pair == (before, after))
            assert found.counts[i, j] == len(behind)
            assert people(question, source, before=before, after=after).tolist() == behind


def asked(**changes):
    return transition_from({"from": "2026-11-05", "to": "2026-11-20"} | changes)


def moved(question):
    found = answer(question, LiveSource())
    body = found.as_json()
    assert sum(body["before"].values()) == sum(body["after"].values()) == body["customers"]
    return {(row["from"], row["to"]): row["customers"] for row in body["transitions"]}


@pytest.fixture
def _own_columns(settings, tmp_path, transactional_db):
    settings.COLUMNS_DIR = tmp_path / "columns"


def buyer(*days, **overrides):
    customer = factories.make_customer(**overrides)
    for day in days:
        factories.make_fact(customer, "order_paid", day)
    return customer


@pytest.mark.usefixtures("_own_columns")
def test_a_second_trip_makes_a_regular_and_two_orders_of_one_day_do_not():
    buyer(0, 10)
    buyer(0, 10, 10.1)
    buyer(0, 0.1)
    buyer(0)
    buyer(10)
    factories.make_fact(factories.make_customer(), "friend_added", 0)
    expected = {
        ("single", "regular"): 2,
        ("single", "single"): 2,
        ("unknown", "single"): 1,
        ("passer_by", "passer_by"): 1,
    }
    assert moved(asked()) == expected
    refresh()
    assert moved(asked()) == expected


@pytest.mark.usefixtures("_own_columns")
def test_an_order_given_back_counts_until_it_is():
    customer = factories.make_customer()
    for number, day in enumerate((0, 1, 1)):
        order = factories.make_order(customer)
        factories.make_fact(customer, "order_paid", day, order_id=order.pk)
        if number:
            factories.make_fact(customer, "order_refunded", 8, order_id=order.pk)
    assert moved(asked()) == {("regular", "single"): 1}
    refresh()
    assert moved(asked()) == {("regular", "single"): 1}


@pytest.mark.usefixtures("_own_columns")
def test_customers_of_whom_nothing_is_told_are_counted_too():
    factories.make_customer(known_since=factories.at(10), last_fact_at=None)
    factories.make_customer(known_since=None, last_fact_at=None)
    assert moved(asked(event="friend_added")) == {
        ("unknown", "passer_by"): 1,
        ("unknown", "unknown"): 1,
    }


@pytest.mark.usefixtures("_own_columns")
def test_an_order_may_have_conditions():
    customer = factories.make_customer()
    for day, amount in ((0, 100_000), (10, 300_000)):
        factories.make_fact(customer, "order_paid", day, amount_cents=amount)
    assert moved(asked(event="order_paid[amount>=2000]")) == {("passer_by", "single"): 1}


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ({"from": ""}, "from"),
        ({"to": "soon"}, "to"),
        ({"from": "2026-12-01"}, "from"),
        ({"by": "mood"}, "by"),
        ({"event": "a b]"}, "event"),
        ({"speed": "1"}, "speed"),
    ],
)
def test_an_impossible_question_is_refused_with_its_field(words, field):
    with pytest.raises(QuestionRefused) as refusal:
        asked(**words)
    assert refusal.value.field == field


def test_a_stage_or_event_that_does_not_exist_is_refused():
    source = source_of([(1, START, "order_paid", 1)])
    with pytest.raises(QuestionRefused) as refusal:
        people(asked(), source, before="hero")
    assert refusal.value.field == "stage"
    with pytest.raises(QuestionRefused) as refusal:
        answer(asked(event="flown"), source)
    assert refusal.value.field == "event"
    shop = TableSource(source.columns, {"order_paid": 11}, source.span)
    with pytest.raises(QuestionRefused) as refusal:
        answer(asked(by="life"), shop)
    assert refusal.value.field == "by"
    assert answer(asked(), shop).customers == 1
    assert date(2026, 11, 5) == asked().since
