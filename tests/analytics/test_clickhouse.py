"""The clickhouse engine says, to the person, what the definition says."""

import random
from datetime import UTC, date, datetime, timedelta

import pytest

from analytics.clickhouse import funnels, retention
from analytics.funnels.question import Question, Step
from analytics.retention.question import KINDS, MODES, PERIODS, RetentionQuestion
from tests.analytics.oracle import judge
from tests.analytics.retention_oracle import retained
from tests.analytics.test_retention import KINDS as RETENTION_KINDS
from tests.analytics.test_retention import START as RETENTION_START
from tests.analytics.warehouse import LETTERS, SECOND, Bench

LOGS = 2_000
ORDERS = ("ordered", "strict_increase", "any")
SHAPES = [  # Steps, as letters.
    "AB", "ABC", "AA", "AAB", "ABA", "ABCD", "A", "BAC", "AAA",
]  # fmt: skip


def random_logs():
    """Crowded logs: ties, repeats and window edges are frequent, some times have microseconds."""
    dice = random.Random(20_261_126)
    made = []
    for _n in range(LOGS):
        crowd = dice.choice([4, 12, 40])
        made.append(
            [
                (
                    dice.randrange(crowd) * SECOND + dice.choice([0, 0, 0, 1, 999_999]),
                    dice.choice(LETTERS[: dice.choice([2, 3, 4])]),
                )
                for _event in range(dice.randrange(1, 9))
            ]
        )
    return made


@pytest.fixture(scope="module")
def crowd():
    made = random_logs()
    return made, Bench.of_logs(made)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("entry", ["any", "first"])
def test_levels_states_and_times_agree_with_the_oracle_to_the_person(crowd, order, entry):
    crowded, source = crowd
    for number, shape in enumerate(SHAPES):
        window = (3, 5, 10)[number % 3]
        as_of = (None, 30, 6)[number % 3]
        question = Question(
            tuple(Step(letter) for letter in shape),
            window,
            order=order,
            entry=entry,
            as_of=datetime.fromtimestamp(as_of, UTC) if as_of else None,
        )
        now = (as_of or 60) * SECOND
        expected = [
            judge(log, list(shape), window=window * SECOND, order=order, entry=entry, now=now,
                  as_of=as_of * SECOND if as_of else None)
            for log in crowded
        ]  # fmt: skip
        found = funnels.levels(question, source)
        assert found == {who: verdict.level for who, verdict in enumerate(expected)}
        answered = funnels.answer(question, source)
        states = ("reached", "converted", "dropped", "open")
        for step in answered.steps:
            counted = [getattr(step, state) for state in states]
            behind = [who_is(expected, step.number, state, len(shape)) for state in states]
            assert counted == [len(people) for people in behind], (shape, step)
            over = [who.level >= step.number and not who.is_young for who in expected]
            assert step.settled == sum(over)
            assert step.median_seconds == median_seconds(expected, step.number)
        # One list a question, another each time.
        place = (number + ORDERS.index(order)) % 4
        step = answered.steps[number % len(shape)].number
        listed = funnels.people(question, source, step=step, state=states[place])
        assert listed.tolist() == who_is(expected, step, states[place], len(shape))


def median_seconds(expected, step):
    durations = sorted(
        (verdict.times[step - 1] - verdict.times[0]) // SECOND
        for verdict in expected
        if verdict.level >= step
    )
    if not durations:
        return None
    return (durations[(len(durations) - 1) // 2] + durations[len(durations) // 2]) / 2


def who_is(expected, step, state, steps):
    def fits(verdict):
        if state == "reached" or (state == "converted" and step == steps):
            return verdict.level >= step
        if state == "converted":
            return verdict.level > step
        return step < steps and verdict.level == step and verdict.is_open == (state == "open")

    return [who for who, verdict in enumerate(expected) if fits(verdict)]


def random_shoppers():
    """Two months, crowded around midnights of Shanghai and around one another."""
    dice = random.Random(20_261_127)
    made = []
    for who in range(1, LOGS + 1):
        for _event in range(dice.randrange(1, 7)):
            minutes = dice.choice([dice.randrange(86_400), dice.randrange(61) * 1_440 + 1])
            kind = dice.choice(sorted(RETENTION_KINDS))
            made.append((who, RETENTION_START + timedelta(minutes=minutes), kind))
    return made


@pytest.fixture(scope="module")
def shoppers():
    log = random_shoppers()
    end = max(at for _who, at, _event in log) + timedelta(minutes=700)
    events = [(who, int(at.timestamp()) * SECOND, event) for who, at, event in log]
    return log, end, Bench(events, RETENTION_KINDS, end)


def retention_questions():
    """Every kind, period and mode; events, dates and as-of take turns."""
    events = sorted(RETENTION_KINDS)
    shapes = [(kind, period, mode) for kind in KINDS for period in PERIODS for mode in MODES]
    for n, (kind, period, mode) in enumerate(shapes):
        yield RetentionQuestion(
            birth=Step(events[n % 3]),
            comes_back=Step(events[n * 2 % 3]),
            period=period,
            kind=kind,
            mode=mode,
            brackets=((1, 3, 7), (1,), (2, 30))[n % 3] if kind == "bracket" else (),
            since=date(2026, 2, 3) if n % 2 else None,
            until=date(2026, 3, 1) if n % 4 == 3 else None,
            as_of=RETENTION_START + timedelta(days=45) if n % 5 == 4 else None,
        )


@pytest.mark.parametrize(
    ("number", "question"),
    list(enumerate(retention_questions())),
    ids=lambda q: f"{q.kind}-{q.period}-{q.mode}" if isinstance(q, RetentionQuestion) else "",
)
def test_every_cell_of_retention_agrees_with_the_obvious_count_to_the_person(
    shoppers, number, question
):
    everything, end, whole = shoppers
    share = LOGS // 18
    low, high = number * share, (number + 1) * share
    log = [row for row in everything if low < row[0] <= high]
    source = whole.narrowed(f"customer > {low} and customer <= {high}")
    expected = retained(log, question, end)
    found = retention.answer(question, source)
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
    for (start, j), (eligible, back) in list(expected["cells"].items())[:2]:
        place = {"period": j, "cohort": start}
        listed = retention.people(question, source, state="returned", **place)
        assert listed.tolist() == sorted(back)
        away = retention.people(question, source, state="absent", **place)
        assert away.tolist() == sorted(eligible - back)
