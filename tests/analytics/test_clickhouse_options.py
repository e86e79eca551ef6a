"""The second engine answers every option of a question as the definition does, to the person."""

import random
from collections import defaultdict
from datetime import UTC, datetime

import pytest

from analytics.clickhouse import funnels, slices
from analytics.funnels.question import Condition, Exclusion, Question, QuestionRefused, Step
from tests.analytics.oracle import attempts, judge
from tests.analytics.test_clickhouse import median_seconds, who_is
from tests.analytics.warehouse import SECOND, Bench

LOGS = 2_000
ORDERS = ("ordered", "strict_increase", "any", "strict")
STATES = ("reached", "converted", "dropped", "open")
END = 60


def told_logs():
    """Crowded logs of (at, letter, properties): ties, repeats and edges of windows are frequent."""
    dice = random.Random(20_261_201)
    made = []
    for who in range(LOGS):
        crowd, letters = dice.choice([4, 12, 40]), "ABCD"[: dice.choice([2, 3, 4])]
        log = []
        for _event in range(dice.randrange(1, 8)):
            at = dice.randrange(crowd) * SECOND + dice.choice([0, 0, 0, 1, 999_999])
            said = {"price": str(dice.choice([1, 2.5, 7])), "note": dice.choice(["", "n"])}
            said |= {"held": held} if (held := dice.choice(["", "x", "y"])) else {}
            said |= {"visit": f"{who}/{dice.randrange(2)}"} if dice.random() < 0.8 else {}
            said |= {"channel": dice.choice("pq")} if dice.random() < 0.3 else {}
            log.append((at, dice.choice(letters), said))
        made.append(log)
    return made


@pytest.fixture(scope="module")
def crowd():
    made = told_logs()
    return made, Bench.of_logs(made)


@pytest.fixture(autouse=True)
def _many_slices(monkeypatch):
    """So that units are spread over several slices."""
    monkeypatch.setattr(slices, "EVENTS_AT_MOST", 3_000)
    monkeypatch.setattr(slices, "BUCKET_BITS", 5)


GUISES = {  # A step in words, and the (letter, held) that fill it.
    "A": ("A", None), "B": ("B", None), "C": ("C", None), "D": ("D", None),
    "Ax": ("A", ("held", "=", "x")), "Ay": ("A", ("held", "=", "y")),
    "Axy": ("A", ("held", "in", "x|y")), "Bx": ("B", ("held", "!=", "y")),
}  # fmt: skip
FILLS = {"Ax": {"Ax"}, "Ay": {"Ay"}, "Axy": {"Ax", "Ay"}, "Bx": {"Bx"}}


def step(guise):
    event, test = GUISES[guise]
    return Step(event, (Condition(*test),) if test else ())


def fills(guise):
    """What the oracle calls the events of a step: letter and held value as one."""
    return FILLS.get(guise) or {guise, f"{guise}x", f"{guise}y"}


def drawn_questions():
    """Options in all combinations that may be asked together."""
    dice = random.Random(20_261_202)
    for number in range(48):
        shape = dice.choices(["A", "B", "C", "A", "B", "Ax", "Axy", "Ay", "Bx"], k=2 + number % 3)
        order, gaps = ORDERS[number % 4], len(shape) - 1
        asked = {"window": dice.choice([3, 5, 10]), "order": order}
        asked["as_of"] = dice.choice([None, 30, 6])
        asked["hold"] = dice.random() < 0.3
        asked["totals"] = dice.random() < 0.3
        asked["entry"] = "any" if asked["totals"] else dice.choice(["any", "first"])
        if order != "any":
            if dice.random() < 0.5:
                asked["longest"] = [dice.randrange(1, 6) for _gap in range(gaps)]
            if dice.random() < 0.5:
                most = asked.get("longest", [1] * gaps)
                asked["shortest"] = [dice.randrange(0, min(2, limit + 1)) for limit in most]
            ends = sorted(dice.sample(range(1, gaps + 2), 2))
            if dice.random() < 0.6 and "D" not in shape:
                asked["exclude"] = (("D", *ends),)
        yield shape, asked


def asked_of(shape, asked):
    """The question in the product's words."""
    return Question(
        tuple(step(guise) for guise in shape),
        asked["window"],
        order=asked["order"],
        entry=asked["entry"],
        as_of=datetime.fromtimestamp(asked["as_of"], UTC) if asked["as_of"] else None,
        hold="held" if asked["hold"] else "",
        count="totals" if asked["totals"] else "unique",
        step_window=tuple(asked.get("longest", ())),
        min_gap=tuple(asked.get("shortest", ())),
        exclude=tuple(Exclusion(Step(x), i, j) for x, i, j in asked.get("exclude", ())),
        value="price",
    )


def verdicts(log, shape, asked):
    """The attempts of one unit's log of (at, letter, properties)."""
    events = [(at, letter + said.get("held", ""), said.get("held", "")) for at, letter, said in log]
    micros = {name: [s * SECOND for s in asked[name]] for name in ("longest", "shortest")
              if name in asked}  # fmt: skip
    options = micros | {
        "window": asked["window"] * SECOND,
        "order": asked["order"],
        "entry": asked["entry"],
        "as_of": asked["as_of"] * SECOND if asked["as_of"] else None,
        "now": (asked["as_of"] or END) * SECOND,
        "hold": asked["hold"],
        "exclude": tuple((fills(x), i, j) for x, i, j in asked.get("exclude", ())),
    }
    sets = [fills(guise) for guise in shape]
    found = (
        attempts(events, sets, **options) if asked["totals"] else [judge(events, sets, **options)]
    )
    return [verdict for verdict in found if verdict.level]


@pytest.mark.parametrize(("shape", "asked"), list(drawn_questions()))
def test_every_option_agrees_with_the_oracle_to_the_person(crowd, shape, asked):
    logs, source = crowd
    question = asked_of(shape, asked)
    found = [verdicts(log, shape, asked) for log in logs]
    every = [verdict for log in found for verdict in log]
    answered = funnels.answer(question, source)
    for one in answered.steps:
        counted = [getattr(one, state) for state in STATES]
        behind = [len(who_is(every, one.number, state, len(shape))) for state in STATES]
        assert counted == behind, one
        assert one.settled == sum(v.level >= one.number and not v.is_young for v in every)
        assert one.median_seconds == median_seconds(every, one.number)
        assert one.value_cents == sum(
            round(float(logs[who][verdict.numbers[one.number - 1]][2]["price"]) * 100)
            for who, of_log in enumerate(found)
            for verdict in of_log
            if verdict.level >= one.number
        )
    best = {who: max((v.level for v in of_log), default=0) for who, of_log in enumerate(found)}
    assert funnels.levels(question, source) == best
    last = answered.steps[-1].number
    for number, state in ((1, "reached"), (1, "dropped"), (last, "converted")):
        listed = funnels.people(question, source, step=number, state=state)
        behind = [who for who, log in enumerate(found) if who_is(log, number, state, len(shape))]
        assert listed.tolist() == behind


@pytest.mark.parametrize("order", ORDERS)
def test_units_are_sessions_of_whoever_had_them(crowd, order):
    logs, source = crowd
    visits, owners = defaultdict(list), {}
    for who, log in enumerate(logs):
        for event in log:
            if visit := event[2].get("visit"):
                visits[visit].append(event)
                owners[visit] = who
    question = Question((Step("A"), Step("B")), 5, order=order, unit="property:visit")
    asked = {"window": 5, "order": order, "entry": "any", "as_of": None, "hold": False}
    found = {
        visit: verdicts(log, ["A", "B"], asked | {"totals": False}) for visit, log in visits.items()
    }
    by_visit = source.by_unit("visit")
    levels = funnels.levels(question, by_visit)
    names = by_visit.keys(levels)
    assert {names[number]: level for number, level in levels.items()} == {
        visit: max((v.level for v in of_visit), default=0) for visit, of_visit in found.items()
    }
    answered = funnels.answer(question, source.by_unit("visit"))
    assert answered.steps[1].reached == sum(bool(v) and v[0].level == 2 for v in found.values())
    listed = funnels.people(question, source, step=2, state="reached")
    assert listed.tolist() == sorted(
        {owners[v] for v, of in found.items() if of and of[0].level == 2}
    )


@pytest.mark.parametrize("name", ["channel", "property:held", "property:held@last", "channel@2"])
def test_breakdowns_read_the_event_that_they_name(crowd, name):
    logs, source = crowd
    question = Question(
        (Step("A"), Step("B")), 5, breakdown=(name,), value="price", exclude=(Exclusion(Step("D")),)
    )
    asked = {"window": 5, "order": "ordered", "entry": "any", "as_of": None, "hold": False}
    asked |= {"totals": False, "exclude": (("D", 1, 2),)}
    counted = defaultdict(lambda: [0, 0])
    for log in logs:
        for verdict in verdicts(log, ["A", "B"], asked):
            value = value_of(name, log, verdict)
            for reached in range(verdict.level):
                counted[value][reached] += 1
    answered = funnels.answer(question, source)
    assert {
        cell.values[0].key: [step.reached for step in cell.steps] for cell in answered.cells
    } == dict(counted)
    key = next(key for key in sorted(counted) if counted[key][1])
    listed = funnels.people(question, source, step=2, state="reached", cell={name: key})
    assert len(listed) == counted[key][1]


def value_of(name, log, verdict):
    """What a breakdown reads of one attempt, from the log as it was recorded."""
    if name == "property:held":
        return log[verdict.numbers[0]][2].get("held", "")
    if name == "property:held@last":
        return log[verdict.numbers[-1]][2].get("held", "")
    if name == "channel@2":
        return log[verdict.numbers[1]][2].get("channel", "") if verdict.level > 1 else ""
    entry = verdict.numbers[0]
    before = sorted((at, place) for place, (at, *_rest) in enumerate(log))
    told = [log[place][2].get("channel", "") for at, place in before
            if (at, place) <= (log[entry][0], entry)]  # fmt: skip
    return next((value for value in reversed(told) if value), "")


def test_a_filter_that_some_slices_lack_is_no_refusal(crowd):
    _logs, source = crowd
    asked = Question((Step("A"), Step("B")), 5, hold="held", filters=(("property:held", ("x",)),))
    assert 0 < funnels.answer(asked, source).steps[0].reached < LOGS
    nobody = asked.replaced(filters=(("property:held", ("z",)),))
    with pytest.raises(QuestionRefused) as refusal:
        funnels.answer(nobody, source)
    assert refusal.value.field == "filters"


def test_events_that_name_neither_channel_nor_agent_are_folded_too():
    source = Bench.of_logs([[(0, "A"), (SECOND, "D"), (2 * SECOND, "B")], [(0, "A"), (1, "B")]])
    asked = Question((Step("A"), Step("B")), 5, exclude=(Exclusion(Step("D")),))
    assert funnels.levels(asked, source) == {0: 1, 1: 2}


def test_a_slice_that_loses_events_would_be_noticed(crowd, monkeypatch):
    """The same question with one slice left out has another answer."""
    _logs, source = crowd
    question = Question((Step("A"), Step("B")), 5, min_gap=(1,))
    whole = funnels.answer(question, source).steps[0].reached
    cuts = slices._by_customer
    monkeypatch.setattr(slices, "_by_customer", lambda *asked: cuts(*asked)[1:])
    assert funnels.answer(question, source).steps[0].reached < whole
    assert len(cuts(source, source.where)) > 2
