"""Retention against a slow, obvious count, and what a reader would check by hand."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from analytics.events.columns import from_arrays
from analytics.events.source import TableSource
from analytics.funnels.question import QuestionRefused, Step
from analytics.retention.engine import answer, people
from analytics.retention.parsing import retention_from
from analytics.retention.question import RetentionQuestion
from tests.analytics.retention_oracle import ZONE, retained

KINDS = {"friend_added": 1, "order_paid": 2, "message_received": 3}
START = datetime(2026, 1, 28, 15, 59, 0, tzinfo=UTC)  # A minute before midnight in Shanghai.


def source_of(log, end: datetime | None = None) -> TableSource:
    rows = [(who, at, KINDS[event]) for who, at, event in log]
    micros = np.array([int(at.timestamp()) * 1_000_000 + at.microsecond for _w, at, _e in rows])
    columns = from_arrays(
        np.array([who for who, _at, _event in rows]), micros, np.array([k for _w, _a, k in rows])
    )
    seconds = micros // 1_000_000
    until = int(end.timestamp()) if end else int(seconds.max())
    return TableSource([columns], KINDS, (int(seconds.min()), until))


@st.composite
def logs(draw):
    """A few customers over two months, crowded around midnights and around one another."""
    minutes = st.one_of(
        st.integers(0, 60 * 24 * 60),
        st.integers(0, 60).map(lambda day: day * 1440 + 1),
        st.integers(0, 60).map(lambda day: day * 1440),
    )
    events = st.tuples(st.integers(1, 4), minutes, st.sampled_from(list(KINDS)))
    rows = draw(st.lists(events, min_size=1, max_size=25))
    return [(who, START + timedelta(minutes=at), event) for who, at, event in rows]


@st.composite
def questions(draw):
    kind = draw(st.sampled_from(["on", "on_or_after", "bracket"]))
    events = list(KINDS)
    since = draw(st.none() | st.dates(date(2026, 1, 20), date(2026, 3, 1)))
    return RetentionQuestion(
        birth=Step(draw(st.sampled_from(events))),
        comes_back=Step(draw(st.sampled_from(events))),
        period=draw(st.sampled_from(["day", "week", "month"])),
        kind=kind,
        mode=draw(st.sampled_from(["rolling", "calendar"])),
        brackets=draw(st.sampled_from([(1,), (1, 3, 7), (2, 30)])) if kind == "bracket" else (),
        since=since,
        until=since + timedelta(days=draw(st.integers(0, 40))) if since else None,
        as_of=draw(st.none() | st.integers(0, 70).map(lambda d: START + timedelta(days=d + 40))),
    )


@given(logs(), questions(), st.integers(0, 3000))
@settings(max_examples=400, deadline=None)
def test_every_cell_agrees_with_the_obvious_count_to_the_person(log, question, more_minutes):
    assume(question.as_of is None or question.as_of >= min(at for _who, at, _event in log))
    end = max(at for _who, at, _event in log) + timedelta(minutes=more_minutes)
    source = source_of(log, end)
    expected = retained(log, question, end.replace(second=0, microsecond=0))
    found = answer(question, source)
    assert {cohort.start: cohort.size for cohort in found.cohorts} == {
        start: len(who) for start, who in expected["born"].items()
    }
    counted = {
        (cohort.start, j): (rate.n, rate.x)
        for cohort in found.cohorts
        for j, rate in enumerate(cohort.cells)
        if rate.n
    }
    assert counted == {
        key: (len(eligible), len(back)) for key, (eligible, back) in expected["cells"].items()
    }
    for (start, j), (eligible, back) in list(expected["cells"].items())[:3]:
        listed = people(question, source, state="returned", period=j, cohort=start)
        assert listed.tolist() == sorted(back)
        away = people(question, source, state="absent", period=j, cohort=start)
        assert away.tolist() == sorted(eligible - back)


def shanghai(month: int, day: int, hour: int = 12, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=ZONE)


def ordered(*log, **changes):
    question = retention_from({"birth": "order_paid", "return": "order_paid"} | changes)
    return answer(question, source_of([(who, at, "order_paid") for who, at in log]))


def test_a_second_order_of_the_same_day_is_no_return():
    table = ordered((1, shanghai(3, 2, 9)), (1, shanghai(3, 2, 20)), (2, shanghai(4, 6)))
    assert (table.totals[0].x, table.totals[0].n) == (0, 1)


def test_an_order_just_after_midnight_in_shanghai_is_a_return_of_the_next_day():
    table = ordered(
        (1, shanghai(3, 2, 23, 59)), (1, shanghai(3, 3, 0, 1)), (2, shanghai(4, 6)), period="day"
    )
    assert [(rate.x, rate.n) for rate in table.totals[:3]] == [(0, 1), (1, 1), (0, 1)]


def test_a_period_that_has_not_ended_counts_for_nobody():
    table = ordered((1, shanghai(3, 2)), (1, shanghai(3, 10)), (2, shanghai(3, 15, 23, 59)))
    # Period 1 of the first customer ends on 15 March at midnight: the data end a minute before.
    assert [(rate.x, rate.n) for rate in table.totals] == [(0, 1)]


def test_unbounded_retention_never_rises():
    log = [(who, shanghai(3, 1 + who % 5)) for who in range(20)]
    log += [(who, shanghai(3, 8 + who)) for who in range(0, 20, 3)] + [(99, shanghai(4, 29))]
    table = ordered(*log, kind="on_or_after")
    full = [rate for rate in table.totals if rate.n == table.totals[0].n]
    shares = [rate.value for rate in full]
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ({"birth": ""}, "birth"),
        ({"return": "order paid"}, "return"),
        ({"period": "year"}, "period"),
        ({"kind": "sometimes"}, "kind"),
        ({"mode": "lunar"}, "mode"),
        ({"brackets": "1,3"}, "brackets"),
        ({"kind": "bracket", "brackets": "7,3"}, "brackets"),
        ({"kind": "bracket", "brackets": "0,3"}, "brackets"),
        ({"kind": "bracket", "brackets": "one"}, "brackets"),
        ({"from": "2026-03-02", "to": "2026-03-01"}, "from"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-03-02", "as_of": "2026-02-01"}, "as_of"),
        ({"speed": "1"}, "speed"),
    ],
)
def test_an_impossible_question_is_refused_with_its_field(words, field):
    with pytest.raises(QuestionRefused) as refusal:
        retention_from({"birth": "order_paid", "return": "order_paid"} | words)
    assert refusal.value.field == field


def test_an_unknown_event_is_refused():
    question = retention_from({"birth": "order_paid", "return": "flown"})
    with pytest.raises(QuestionRefused) as refusal:
        answer(question, source_of([(1, shanghai(3, 1), "order_paid")]))
    assert refusal.value.field == "return"
