"""The compiled fold says, to the person, what the definition says."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.events import kernel
from analytics.events.columns import Part, from_arrays
from analytics.events.folding import Plan, fold_parts
from tests.analytics.oracle import Verdict, judge

SECOND = 1_000_000
ORDERS = {
    "ordered": kernel.ORDERED,
    "strict_increase": kernel.STRICT_INCREASE,
    "any": kernel.ANY_ORDER,
}
LETTERS = "ABCD"
FAR = 10**9


def fold_logs(
    logs, steps, *, window, order="ordered", entry="any", since=None, until=None, as_of=None, now=0
):
    """Verdicts of the kernel on logs of (at in microseconds, letter), one log per customer."""
    rows = [(number, at, letter) for number, log in enumerate(logs) for at, letter in log]
    columns = from_arrays(
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.int64),
        np.array([LETTERS.index(row[2]) for row in rows], np.int64),
    )
    letters = [LETTERS[kind] for kind in columns.kind_ids]
    masks = [sum(1 << i for i, step in enumerate(steps) if letter in step) for letter in letters]
    overlap = any(mask & (mask - 1) for mask in masks)
    plan = Plan(
        np.array(masks, np.uint16),
        kernel_settings(len(steps), window, order, entry, since, until, as_of, now, overlap),
    )
    order_in_log = [sorted(range(len(log)), key=lambda i, log=log: (log[i][0], i)) for log in logs]
    verdicts = [Verdict(0)] * len(logs)
    for block in fold_parts([Part(columns)], [plan], lambda block: block):
        seconds = [iter(values) for values in block.seconds]
        for row in range(block.low, block.high):
            level = int(block.levels[row - block.low])
            if not level:
                continue
            entry_row = int(block.entries[row - block.low])
            customer = int(columns.ids[row])
            number = order_in_log[customer][entry_row - int(columns.offsets[row])]
            start = logs[customer][number][0]
            later = tuple(int(next(seconds[step])) for step in range(level - 1))
            state = int(block.opens[row - block.low])
            verdicts[customer] = Verdict(
                level, state == kernel.OPEN, number, (start, *later), is_young=state != 0
            )
    return verdicts


def kernel_settings(steps, window, order, entry, since, until, as_of, now, overlap):
    values = np.zeros(kernel.SETTINGS, np.int64)
    values[kernel.STEPS] = steps
    values[kernel.WINDOW] = window // SECOND
    values[kernel.SINCE] = 0 if since is None else since // SECOND
    values[kernel.UNTIL] = FAR if until is None else until // SECOND
    values[kernel.CUT] = kernel.NO_CUT if as_of is None else as_of // SECOND
    values[kernel.CUT_MICRO] = 0 if as_of is None else as_of % SECOND
    values[kernel.ORDER] = ORDERS[order]
    values[kernel.FIRST_ONLY] = entry == "first"
    values[kernel.OVERLAP] = overlap
    values[kernel.NOW], values[kernel.NOW_MICRO] = divmod(now, SECOND)
    return values


def expected(log, steps, **options):
    """The oracle's verdict, its times as whole seconds since the entry like the kernel's."""
    verdict = judge(log, steps, **options)
    if not verdict.level:
        return verdict
    start, *later = verdict.times
    seconds = tuple((at - start) // SECOND for at in later)
    return replace(verdict, times=(start, *seconds))


def level(log, steps, window, **options):
    [verdict] = fold_logs(
        [[(at * SECOND, letter) for at, letter in log]], steps, window=window * SECOND, **options
    )
    return verdict.level


@pytest.mark.parametrize(
    ("log", "steps", "options", "answer"),
    [
        ([(0, "A"), (9, "A"), (12, "B")], ["A", "B"], {}, 2),
        ([(0, "A"), (9, "A"), (12, "B")], ["A", "B"], {"entry": "first"}, 1),
        ([(1, "A"), (2, "A"), (2, "B")], ["A", "B"], {"order": "strict_increase"}, 2),
        ([(2, "A"), (2, "B")], ["A", "B"], {"order": "strict_increase"}, 1),
        ([(2, "B"), (2, "A")], ["A", "B"], {}, 2),
        ([(1, "A")], ["A", "A"], {}, 1),
        ([(1, "A"), (1, "A")], ["A", "A"], {}, 2),
        ([(0, "A"), (10, "B")], ["A", "B"], {}, 2),
        ([(0, "A"), (11, "B")], ["A", "B"], {}, 1),
        ([(0, "C"), (1, "B"), (2, "A")], ["A", "B", "C"], {"order": "any"}, 3),
        ([(0, "C"), (1, "C"), (2, "A")], ["A", "B", "C"], {"order": "any"}, 2),
        ([(0, "B"), (1, "C")], ["A", "B", "C"], {}, 0),
        ([(0, "A"), (1, "B"), (5, "A"), (12, "B"), (13, "C")], ["A", "B", "C"], {}, 3),
    ],
)  # fmt: skip
def test_examples_worked_out_by_hand(log, steps, options, answer):
    assert level(log, steps, 10, **options) == answer


def test_microseconds_decide_at_the_edge_of_the_window_and_inside_a_second():
    logs = [
        [(5, "A"), (10 * SECOND + 5, "B")],
        [(5, "A"), (10 * SECOND + 6, "B")],
        [(7, "A"), (6, "B")],
        [(6, "A"), (7, "B")],
    ]
    verdicts = fold_logs(logs, ["A", "B"], window=10 * SECOND)
    assert [verdict.level for verdict in verdicts] == [2, 1, 1, 2]


def test_the_earliest_entry_with_the_best_level_is_chosen():
    log = [(0, "A"), (5, "A"), (6, "B"), (14, "C"), (20, "A"), (21, "B"), (22, "C")]
    [verdict] = fold_logs(
        [[(at * SECOND, letter) for at, letter in log]],
        ["A", "B", "C"],
        window=10 * SECOND,
        now=60 * SECOND,
    )
    assert verdict == Verdict(3, False, 1, (5 * SECOND, 1, 9))


def test_a_customer_is_open_while_any_entry_may_still_lead_on():
    log = [(0, "A"), (1, "B"), (20, "A")]
    options = {"window": 10 * SECOND}
    for now, is_open in ((29, True), (30, False)):
        [verdict] = fold_logs(
            [[(at * SECOND, letter) for at, letter in log]],
            ["A", "B", "C"],
            now=now * SECOND,
            **options,
        )
        assert (verdict.level, verdict.is_open) == (2, is_open)


def test_many_events_of_one_customer_fold_in_linear_time():
    log = [(at * SECOND, "AB"[at % 2]) for at in range(50_000)]
    [verdict] = fold_logs([log], ["A", "B", "C"], window=40_000 * SECOND)
    assert verdict.level == 2


# Few instants and a short window make ties, edges and repeats frequent.
instants = st.one_of(
    st.integers(0, 12).map(lambda at: at * SECOND),
    st.tuples(st.integers(0, 12), st.integers(0, 2)).map(lambda at: at[0] * SECOND + at[1]),
)
events = st.tuples(instants, st.sampled_from(LETTERS))
logs = st.lists(st.lists(events, max_size=8), min_size=1, max_size=6)
steps = st.lists(
    st.sampled_from(["A", "B", "C", "D", "A", "B", "AB", "BC", "ABC"]), min_size=1, max_size=4
)
options = st.fixed_dictionaries(
    {
        "window": st.integers(0, 9).map(lambda seconds: seconds * SECOND),
        "order": st.sampled_from(sorted(ORDERS)),
        "entry": st.sampled_from(["any", "first"]),
        "since": st.none() | st.integers(0, 6).map(lambda at: at * SECOND),
        "until": st.none() | st.integers(5, 14).map(lambda at: at * SECOND),
        "as_of": st.none() | instants,
        "now": instants,
    }
)


@settings(max_examples=2_000, deadline=None, derandomize=True)
@given(logs, steps, options)
def test_kernel_and_definition_agree_to_the_person(logs, steps, options):
    assert fold_logs(logs, steps, **options) == [expected(log, steps, **options) for log in logs]
