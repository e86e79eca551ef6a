"""A cohort read at any date: known rates and delays are recovered, and early readings hold."""

from datetime import UTC, datetime

import numpy as np
import pytest

from analytics.events.columns import from_arrays
from analytics.events.source import TableSource
from analytics.funnels.engine import answer
from analytics.funnels.question import Question, Step

DAY = 86_400
START = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp())
CUSTOMERS, COHORT_DAYS, WINDOW_DAYS = 20_000, 30, 10
GOES_ON = (0.6, 0.45)
# Days from one step to the next are drawn evenly from 0 to this, so the window holds them all.
LONGEST_DAYS = 4
AS_OF_DAYS = range(2, COHORT_DAYS + WINDOW_DAYS + 2)
KINDS = {"a": 0, "b": 1, "c": 2}


@pytest.fixture(scope="module")
def world():
    """When each customer did each step (a column a step, 0 for never), and the same as events."""
    random = np.random.default_rng(20_261_126)
    at = np.zeros((CUSTOMERS, 3), np.int64)
    at[:, 0] = START + random.integers(0, COHORT_DAYS * DAY, CUSTOMERS)
    walking = np.ones(CUSTOMERS, bool)
    for step, rate in enumerate(GOES_ON, start=1):
        walking = walking & (random.random(CUSTOMERS) < rate)
        later = at[:, step - 1] + random.integers(1, LONGEST_DAYS * DAY, CUSTOMERS)
        at[:, step] = np.where(walking, later, 0)
    customers, steps = np.nonzero(at)
    columns = from_arrays(customers, at[customers, steps] * 1_000_000, steps)
    return at, TableSource([columns], KINDS, (START, int(at.max())))


def read(source, day):
    """The funnel as it stood on some day of the cohort."""
    as_of = datetime.fromtimestamp(START + day * DAY, UTC)
    return answer(
        Question((Step("a"), Step("b"), Step("c")), WINDOW_DAYS * DAY, as_of=as_of), source
    )


def test_the_three_states_are_the_generators_own_at_every_as_of_date(world):
    at, source = world
    for day in AS_OF_DAYS:
        now = START + day * DAY
        level = ((at > 0) & (at <= now)).sum(axis=1)
        is_over = at[:, 0] + WINDOW_DAYS * DAY <= now
        for step in read(source, day).steps[:-1]:
            here = level == step.number
            assert step.reached == (level >= step.number).sum()
            assert step.converted == (level > step.number).sum()
            assert step.dropped == (here & is_over).sum()
            assert step.open == (here & ~is_over).sum()


def test_an_early_reading_agrees_with_the_last_one_inside_its_interval(world):
    _at, source = world
    final = read(source, AS_OF_DAYS[-1]).steps
    assert [step.open for step in final] == [0, 0, 0]
    agreed, readings = 0, 0
    for day in AS_OF_DAYS:
        for step, last, rate in zip(read(source, day).steps[1:], final[1:], GOES_ON, strict=True):
            early = step.settled_of_previous
            if not early.n:
                assert early.value is None
                continue
            readings += 1
            agreed += early.low <= last.of_previous.value <= early.high
            # Four standard errors: the seed is fixed, so this either always holds or never.
            assert abs(early.value - rate) <= 4 * (rate * (1 - rate) / early.n) ** 0.5
    assert readings >= 60
    assert agreed >= 0.95 * readings


def test_counting_people_inside_their_window_as_lost_would_be_wrong(world):
    """The twin: the plain share of an early reading misses the final one by far."""
    _at, source = world
    early, final = read(source, 6).steps[1].of_previous, read(source, AS_OF_DAYS[-1]).steps[1]
    assert not early.low <= final.of_previous.value <= early.high


def test_the_delays_are_recovered_once_all_windows_are_over(world):
    _at, source = world
    second, third = read(source, AS_OF_DAYS[-1]).steps[1:]
    assert second.median_seconds == pytest.approx(LONGEST_DAYS * DAY / 2, rel=0.03)
    assert second.p90_seconds == pytest.approx(LONGEST_DAYS * DAY * 0.9, rel=0.03)
    assert third.median_seconds == pytest.approx(LONGEST_DAYS * DAY, rel=0.03)
