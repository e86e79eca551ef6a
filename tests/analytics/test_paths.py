"""Paths against a slow, obvious walk, and what a reader would check by hand."""

from collections import Counter
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.events.columns import from_arrays
from analytics.events.source import TableSource
from analytics.funnels.question import QuestionRefused
from analytics.paths.engine import PATHS_SHOWN, answer, people
from analytics.paths.question import ENDED, OPEN, OTHER, path_from

KINDS = {"A": 1, "B": 2, "C": 3, "D": 4}
SECOND = 1_000_000


def source_of(log, now=100):
    columns = from_arrays(
        np.array([who for who, _at, _event in log]),
        np.array([at for _who, at, _event in log]),
        np.array([KINDS[event] for _who, _at, event in log]),
    )
    return TableSource([columns], KINDS, (0, now))


def walk(events, question, now):
    """One customer's path, by the definition; `events` are (at, letter) in order of recording."""
    events = sorted(events, key=lambda event: event[0])
    cut = question.as_of.timestamp() * SECOND if question.as_of else float("inf")
    places = [n for n, (at, e) in enumerate(events) if e == question.event.event and at <= cut]
    if not places:
        return None
    anchor = places[0]
    window, (start, letter) = question.window * SECOND, events[anchor]
    if question.direction == "after":
        rest = [e for e in events[anchor + 1 :] if e[0] - start <= window and e[0] <= cut]
    else:
        rest = [e for e in reversed(events[:anchor]) if start - e[0] <= window]
    path, last = [], letter if letter not in question.ignore else None
    for _at, event in rest:
        if event in question.ignore or (event == last and not question.repeats):
            continue
        path.append(event)
        last = event
    path = path[: question.depth]
    if len(path) < question.depth:
        is_open = question.direction == "after" and start + window > now
        path.append(OPEN if is_open else ENDED)
    return tuple(path)


@st.composite
def worlds(draw):
    moments = st.integers(0, 30).map(lambda n: n * SECOND) | st.integers(0, 30 * SECOND)
    events = st.tuples(st.integers(1, 6), moments, st.sampled_from(list(KINDS)))
    log = draw(st.lists(events, min_size=1, max_size=40))
    as_of = draw(st.none() | st.integers(5, 40))
    question = path_from(
        {
            "event": draw(st.sampled_from(["A", "B"])),
            "direction": draw(st.sampled_from(["after", "before"])),
            "window": draw(st.integers(1, 20)),
            "depth": draw(st.integers(1, 4)),
            "top": draw(st.integers(1, 4)),
            "ignore": draw(st.sampled_from([[], ["C"], ["A"], ["C", "D"]])),
            "repeats": draw(st.booleans()),
            "as_of": datetime.fromtimestamp(as_of, UTC) if as_of else None,
        }
    )
    return log, question, (as_of or 40) * SECOND


@given(worlds())
@settings(max_examples=400, deadline=None)
def test_everybody_walks_as_the_definition_says(world):
    log, question, now = world
    source = source_of(log, now=40)
    walked = {
        who: walk([(at, e) for owner, at, e in log if owner == who], question, now)
        for who in {who for who, _at, _event in log}
    }
    expected = Counter(path for path in walked.values() if path)
    found = answer(question, source)
    assert {path.events: path.people for path in found.paths} == dict(
        expected.most_common(PATHS_SHOWN)
    )
    assert found.people == sum(expected.values())
    for path in found.paths[:3]:
        listed = people(question, source, path=path.events).tolist()
        assert listed == sorted(who for who, taken in walked.items() if taken == path.events)
    for number in range(1, question.depth + 1):
        here = [place for place in found.places if place.number == number]
        assert sum(place.people for place in here) == sum(
            n for path, n in expected.items() if len(path) >= number
        )
        for place in here:
            listed = people(question, source, place=number, event=place.event)
            assert len(listed) == place.people
    for way in found.ways:
        at = {"place": way.number, "event": way.source} if way.number else {"place": 0}
        assert len(people(question, source, following=way.target, **at)) == way.people


def paths(log, now=100, **words):
    words = {"event": "A", "window": "10s"} | words
    found = answer(path_from(words), source_of([(w, at * SECOND, e) for w, at, e in log], now))
    return {path.events: path.people for path in found.paths}


def test_a_path_stops_at_the_window_and_counts_each_customer_once():
    log = [(1, 0, "A"), (1, 10, "B"), (1, 11, "C"), (1, 12, "A"), (1, 13, "D"), (2, 0, "B")]
    assert paths(log) == {("B", ENDED): 1}
    assert paths(log, event="D", direction="before", depth=2) == {("A", "C"): 1}


def test_a_path_whose_window_is_not_over_is_open():
    assert paths([(1, 95, "A"), (1, 96, "B")]) == {("B", OPEN): 1}
    assert paths([(1, 90, "A"), (1, 96, "B")]) == {("B", ENDED): 1}


def test_what_is_rare_at_its_place_is_called_other():
    log = [(who, 0, "A") for who in range(6)]
    log += [(0, 1, "B"), (1, 1, "B"), (2, 1, "B"), (3, 1, "C"), (4, 1, "D")]
    found = answer(
        path_from({"event": "A", "window": "10s", "depth": 1, "top": 1}),
        source_of([(who, at * SECOND, event) for who, at, event in log]),
    )
    assert {place.event: place.people for place in found.places} == {"B": 3, OTHER: 2, ENDED: 1}


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ({"event": ""}, "event"),
        ({"event": "x["}, "event"),
        ({"direction": "sideways"}, "direction"),
        ({"window": "0s"}, "window"),
        ({"window": "long"}, "window"),
        ({"depth": "0"}, "depth"),
        ({"depth": "x"}, "depth"),
        ({"top": "99"}, "top"),
        ({"ignore": 3}, "ignore"),
        ({"from": "2026-03-02", "to": "2026-03-01"}, "from"),
        ({"speed": "1"}, "speed"),
    ],
)
def test_an_impossible_question_is_refused_with_its_field(words, field):
    with pytest.raises(QuestionRefused) as refusal:
        path_from({"event": "A"} | words)
    assert refusal.value.field == field


@pytest.mark.parametrize(
    ("words", "field"), [({"event": "Z"}, "event"), ({"ignore": "Z"}, "ignore")]
)
def test_an_unknown_event_is_refused(words, field):
    with pytest.raises(QuestionRefused) as refusal:
        paths([(1, 0, "A")], **words)
    assert refusal.value.field == field
