"""The fold of everything says, to the person and the event, what the definition says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.events import chains, kernel
from analytics.events.attempts import ChainPlan, fold_attempts
from analytics.events.columns import Part, from_arrays
from analytics.events.folding import fold_parts
from tests.analytics.oracle import attempts, judge

ORDERS = {"ordered": 0, "strict_increase": 1, "any": 2, "strict": 3}
LETTERS = "ABCD"
HELD = ["", "x", "y"]
FAR = 10**12


def fold_logs(
    logs, steps, *, window, order="ordered", entry="any", since=None, until=None, as_of=None,
    now=0, longest=None, shortest=None, exclude=(), hold=False, totals=False,
):  # fmt: skip
    """Attempts on logs of (at, letter, held value): per log (level, open, young, events)."""
    rows = [(unit, *event) for unit, log in enumerate(logs) for event in log]
    # Every event's letter and value live in one kind, so that columns carry both.
    kinds = [LETTERS.index(row[2]) * 3 + HELD.index(row[3]) for row in rows]
    columns = from_arrays(
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.int64),
        np.array(kinds, np.int64),
    )
    letter_of = [LETTERS[kind // 3] for kind in columns.kind_ids]
    held = np.array([kind % 3 for kind in columns.kind_ids], np.int32)
    mask_of = [sum(1 << i for i, step in enumerate(steps) if a in step) for a in letter_of]
    ban_of = [sum(1 << i for i, ban in enumerate(exclude) if a in ban[0]) for a in letter_of]
    k = len(steps)
    values = np.zeros(chains.SETTINGS, np.int64)
    values[chains.STEPS], values[chains.WINDOW] = k, window
    values[chains.SINCE] = 0 if since is None else since
    values[chains.UNTIL] = FAR if until is None else until
    values[chains.CUT] = FAR if as_of is None else as_of
    values[chains.ORDER], values[chains.FIRST_ONLY] = ORDERS[order], entry == "first"
    values[chains.NOW], values[chains.TOTALS], values[chains.HELD] = now, totals, hold
    values[chains.BOUNDED] = longest is not None
    plan = ChainPlan(
        np.array(mask_of, np.uint16), np.array(ban_of, np.uint8),
        held[columns.kinds] if hold else np.empty(0, np.int32), values,
        np.array([0, *(longest or [window] * (k - 1)), 0], np.int64),
        np.array([0, *(shortest or [0] * (k - 1)), 0], np.int64),
        np.array([(a, min(b, k)) for _x, a, b in exclude], np.int64).reshape(-1, 2),
    )  # fmt: skip
    order_in_log = [sorted(range(len(log)), key=lambda i, log=log: (log[i][0], i)) for log in logs]
    found = [[] for _ in logs]
    for block in fold_parts([Part(columns)], [plan], lambda block: block, fold_attempts):
        for i, row in enumerate(block.rows.tolist()):
            level, unit = int(block.levels[i]), int(columns.ids[row])
            places = block.chain[:level, i] - int(columns.offsets[row])
            numbers = tuple(order_in_log[unit][place] for place in places)
            state = int(block.opens[i])
            found[unit].append((level, state == kernel.OPEN, state != 0, numbers))
    return found


def expected(log, steps, totals=False, **options):
    verdicts = attempts(log, steps, **options) if totals else [judge(log, steps, **options)]
    return [(v.level, v.is_open, v.is_young, v.numbers) for v in verdicts if v.level]


@pytest.mark.parametrize(
    ("log", "options", "levels"),
    [
        ([(0, "A"), (5, "B"), (6, "C")], {"longest": [4, 9]}, [1]),
        ([(0, "A"), (1, "A"), (5, "B"), (6, "C")], {"longest": [4, 9]}, [3]),
        ([(0, "A"), (1, "B"), (5, "B"), (9, "C")], {"shortest": [2, 2]}, [3]),
        ([(0, "A"), (1, "B"), (2, "C")], {"shortest": [2, 0]}, [1]),
        ([(0, "A"), (1, "D"), (2, "B"), (3, "C")], {"exclude": (("D", 1, 3),)}, [1]),
        ([(0, "A"), (1, "D"), (2, "B"), (3, "C")], {"exclude": (("D", 2, 3),)}, [3]),
        ([(0, "A"), (2, "D"), (2, "B"), (3, "C")], {"exclude": (("D", 1, 2),)}, [3]),
        ([(0, "A"), (2, "D"), (2, "B"), (3, "C")], {"exclude": (("D", 1, 3),)}, [2]),
        ([(0, "A"), (1, "D"), (2, "A"), (3, "B")], {"exclude": (("D", 1, 3),)}, [2]),
        ([(0, "A"), (1, "D"), (2, "B"), (3, "A"), (4, "B")], {"order": "strict"}, [2]),
        ([(0, "A"), (1, "D"), (1, "B"), (2, "C")], {"order": "strict"}, [2]),
        ([(0, "D"), (0, "A"), (1, "B"), (2, "C")], {"order": "strict"}, [3]),
        ([(0, "A"), (1, "A"), (2, "B"), (3, "C"), (4, "A"), (15, "A")], {"totals": True},
         [3, 1, 1]),
        ([(0, "A"), (0, "A"), (0, "B"), (0, "C"), (0, "B")], {"totals": True}, [3, 2]),
    ],
)  # fmt: skip
def test_examples_worked_out_by_hand(log, options, levels):
    log = [(at, letter, "") for at, letter in log]
    found = fold_logs([log], ["A", "B", "C"], window=10, **options)
    assert [level for level, _open, _young, _events in found[0]] == levels


def test_a_chain_holds_one_value_on_all_its_events():
    log = [(0, "A", "x"), (1, "A", "y"), (2, "B", "y"), (3, "B", ""), (4, "C", "x")]
    [[(level, _open, _young, events)]] = fold_logs([log], ["A", "B", "C"], window=10, hold=True)
    assert (level, events) == (2, (1, 2))


# Few instants and a short window make ties, edges and repeats frequent.
events = st.tuples(st.integers(0, 9), st.sampled_from(LETTERS), st.sampled_from(HELD))
logs = st.lists(st.lists(events, max_size=7), min_size=1, max_size=6)
steps = st.lists(
    st.sampled_from(["A", "B", "C", "D", "A", "B", "AB", "BC"]), min_size=1, max_size=4
)


@st.composite
def questions(draw):
    """Steps and options that may be asked together."""
    asked, window = draw(steps), draw(st.integers(0, 9))
    order = draw(st.sampled_from(sorted(ORDERS)))
    gaps = len(asked) - 1
    options = {
        "window": window,
        "order": order,
        "since": draw(st.none() | st.integers(0, 5)),
        "until": draw(st.none() | st.integers(4, 11)),
        "as_of": draw(st.none() | st.integers(2, 9)),
        "now": draw(st.integers(0, 14)),
        "hold": draw(st.booleans()),
        "totals": draw(st.booleans()),
    }
    options["entry"] = "any" if options["totals"] else draw(st.sampled_from(["any", "first"]))
    if order != "any" and gaps:
        bounds = st.lists(st.integers(0, 5), min_size=gaps, max_size=gaps)
        options["longest"] = draw(st.none() | bounds)
        options["shortest"] = draw(st.none() | bounds)
        pairs = [(i, j) for i in range(1, gaps + 1) for j in range(i + 1, gaps + 2)]
        ban = st.tuples(st.sampled_from(["D", "CD", "B"]), st.sampled_from(pairs))
        bans = draw(st.lists(ban, max_size=2))
        options["exclude"] = tuple((letters, *pair) for letters, pair in bans)
    return asked, options


@settings(max_examples=2_000, deadline=None, derandomize=True)
@given(logs, questions())
def test_kernel_and_definition_agree_to_the_person_and_the_event(logs, question):
    steps, options = question
    assert fold_logs(logs, steps, **options) == [expected(log, steps, **options) for log in logs]
