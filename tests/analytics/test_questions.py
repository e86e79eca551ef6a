"""The whole question on events that say properties: sessions, totals, touches, money, periods."""

import json
from datetime import UTC, date, datetime
from io import StringIO

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.events.columns import from_arrays
from analytics.events.live import LiveSource
from analytics.events.refresh import refresh
from analytics.events.source import TableSource
from analytics.funnels.engine import answer, levels, people
from analytics.funnels.parsing import question_from
from analytics.funnels.queries import Figure, ask, people_behind
from crm.agents.access import Role
from tests import factories
from tests.analytics.oracle import attempts, judge

LETTERS = "ABCD"
SAID = ["", "x", "y"]


def table(logs):
    """A source of logs of (second, letter, text): one unit per log."""
    rows = [(unit, *event) for unit, log in enumerate(logs, start=1) for event in log]
    order = sorted(range(len(rows)), key=lambda i: (rows[i][0], rows[i][1], i))
    columns = from_arrays(
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.int64) * 1_000_000,
        np.array([LETTERS.index(row[2]) for row in rows], np.int64),
    )
    said = {"city": [rows[i][3] for i in order], "unit": [str(rows[i][0]) for i in order]}
    kinds = {letter: number for number, letter in enumerate(LETTERS)}
    return TableSource([columns], kinds, (0, 20), [said])


def verdicts(log, asked, *, totals=False, **options):
    """The oracle's attempts on a log, all times in seconds."""
    if totals:
        return attempts(log, asked, **options)
    return [verdict for verdict in [judge(log, asked, **options)] if verdict.level]


events = st.tuples(st.integers(0, 9), st.sampled_from(LETTERS), st.sampled_from(SAID))
logs = st.lists(st.lists(events, max_size=7), min_size=1, max_size=8)


@st.composite
def questions(draw):
    """A question in words and the same for the oracle."""
    steps = draw(st.lists(st.sampled_from("ABC"), min_size=1, max_size=3))
    order = draw(st.sampled_from(["ordered", "strict_increase", "any", "strict"]))
    values = {
        "steps": ",".join(steps),
        "window": draw(st.integers(1, 9)),
        "order": order,
        "hold": draw(st.sampled_from(["", "city"])),
        "count": draw(st.sampled_from(["unique", "totals"])),
        "as_of": datetime.fromtimestamp(draw(st.integers(3, 12)), UTC),
        "unit": draw(st.sampled_from(["customer", "property:unit"])),
    }
    gaps = len(steps) - 1
    if order != "any" and gaps:
        if draw(st.booleans()):
            values["step_window"] = draw(st.integers(1, 5))
        if draw(st.booleans()) and values.get("step_window", 9) >= 2 <= values["window"] // gaps:
            values["min_gap"] = draw(st.integers(0, 2))
        if draw(st.booleans()):
            values["exclude"] = "D"
    return values


def for_oracle(values):
    steps = values["steps"].split(",")
    gaps = len(steps) - 1
    now = int(values["as_of"].timestamp())
    return steps, {
        "window": values["window"],
        "order": values["order"],
        "as_of": now,
        "now": now,
        "longest": [values["step_window"]] * gaps if "step_window" in values else None,
        "shortest": [values["min_gap"]] * gaps if "min_gap" in values else None,
        "exclude": (("D", 1, gaps + 1),) if "exclude" in values else (),
        "hold": bool(values["hold"]),
        "totals": values["count"] == "totals",
    }


@settings(max_examples=400, deadline=None, derandomize=True)
@given(logs, questions(), st.sampled_from(["property:city", "property:city@last", "week"]))
def test_answers_cells_levels_and_lists_agree_with_the_definition(logs, values, breakdown):
    source, question = table(logs), question_from(values | {"breakdown": breakdown})
    steps, options = for_oracle(values)
    expected = {unit: verdicts(log, steps, **options) for unit, log in enumerate(logs, start=1)}
    found = answer(question, source)
    every = [verdict for some in expected.values() for verdict in some]
    by_level = [sum(v.level > k for v in every) for k in range(len(steps))]
    assert [step.reached for step in found.steps] == by_level
    assert [step.open for step in found.steps[:-1]] == [
        sum(v.is_open and v.level == k for v in every) for k in range(1, len(steps))
    ]
    at = -1 if breakdown.endswith("last") else 0
    cells = {}
    for unit, some in expected.items():
        for verdict in some:
            said = logs[unit - 1][verdict.numbers[at]][2]
            cell = "1969-12-29" if breakdown == "week" else said
            cells[cell] = cells.get(cell, 0) + 1
    assert {cell.values[0].key: cell.steps[0].reached for cell in found.cells} == cells
    names = {number: number for number in expected}
    if question.unit != "customer":
        units = dict.fromkeys(str(unit) for unit, log in enumerate(logs, start=1) if log)
        names = {int(unit): number for number, unit in enumerate(units, start=1)}
    assert levels(question, source) == {
        names[unit]: max((v.level for v in some), default=0)
        for unit, some in expected.items()
        if logs[unit - 1]
    }
    for step in range(1, len(steps) + 1):
        assert people(question, source, step=step, state="reached").tolist() == sorted(
            names[unit] for unit, some in expected.items() if any(v.level >= step for v in some)
        )


@pytest.fixture
def own_columns(settings, tmp_path):
    settings.COLUMNS_DIR = tmp_path / "columns"


def visit(customer, day, kind, session, **properties):
    said = {"session_id": session} | properties
    return factories.make_fact(customer, kind, day, properties=said)


def shown(found):
    return [step.reached for step in found.steps]


STEPS = "friend_added,group_joined,order_paid"


@pytest.mark.django_db
@pytest.mark.usefixtures("own_columns")
@pytest.mark.parametrize("is_refreshed", [False, True])
def test_sessions_are_counted_by_their_own_key(is_refreshed):
    customer, other = factories.make_customer(), factories.make_customer()
    visit(customer, 0, "friend_added", "s1", platform="ios")
    visit(customer, 1, "group_joined", "s1", platform="web")
    visit(customer, 2, "friend_added", "s2\t\\é", platform="web")
    visit(other, 3, "order_paid", "s1")
    visit(other, 3, "friend_added", "")
    if is_refreshed:
        refresh()
    values = {"steps": STEPS, "window": "10d", "unit": "property:session_id"}
    question = question_from(values | {"breakdown": "property:platform"})
    found = ask(question, user=None, source=LiveSource())
    assert shown(found) == [2, 1, 1]
    assert {c.values[0].key: shown(c) for c in found.cells} == {"ios": [1, 1, 1], "web": [1, 0, 0]}
    out = StringIO()
    call_command(
        "funnel", "--steps", STEPS, "--window", "10d", "--unit", "property:session_id",
        "--levels", "--json", stdout=out,
    )  # fmt: skip
    assert json.loads(out.getvalue())["levels"] == {"s1": 3, "s2\t\\é": 1}


@pytest.mark.django_db
@pytest.mark.usefixtures("own_columns")
def test_a_lead_counts_the_sessions_of_the_own_team_only():
    company = factories.make_department()
    ours, theirs = (factories.make_department(parent=company) for _ in range(2))
    for number, department in enumerate((ours, theirs)):
        customer = factories.make_friend(factories.make_agent(department=department))
        visit(customer, 0, "friend_added", f"s{number}")
    lead = factories.make_user(Role.LEAD, departments=[ours])
    question = question_from({"steps": "friend_added", "unit": "property:session_id"})
    assert shown(ask(question, user=lead)) == [1]
    assert shown(ask(question, user=None)) == [2]


@pytest.mark.django_db
@pytest.mark.usefixtures("own_columns")
def test_money_conditions_and_totals_by_hand():
    customer = factories.make_customer()
    factories.make_fact(customer, "friend_added", 0)
    factories.make_fact(customer, "order_paid", 1, amount_cents=10_050)
    factories.make_fact(customer, "friend_added", 2)
    factories.make_fact(customer, "order_paid", 3, amount_cents=300_000)
    values = {"steps": "friend_added,order_paid", "window": "5d", "value": "amount"}
    source = LiveSource()
    once = ask(question_from(values), user=None, source=source)
    assert [step.value_cents for step in once.steps] == [0, 10_050]
    both = ask(question_from(values | {"count": "totals"}), user=None, source=source)
    assert shown(both) == [2, 2]
    assert both.steps[1].value_cents == 310_050
    large = values | {"steps": "friend_added,order_paid[amount in 100.5|3000,amount>=2000]"}
    assert ask(question_from(large), user=None, source=source).steps[1].value_cents == 300_000


@pytest.mark.django_db
@pytest.mark.usefixtures("own_columns")
def test_the_previous_period_is_read_at_the_same_age():
    for day in (0, 1, 7, 8, 9):
        customer = factories.make_customer()
        factories.make_fact(customer, "friend_added", day)
        factories.make_fact(customer, "order_paid", day + 3)
    question = question_from(
        {
            "steps": "friend_added,order_paid", "window": "30d", "compare": "previous",
            "from": "2026-11-08", "to": "2026-11-14", "as_of": "2026-11-11",
        }
    )  # fmt: skip
    found = ask(question, user=None)
    assert (shown(found), shown(found.previous)) == ([3, 1], [2, 1])
    assert found.previous.question.since == date(2026, 11, 1)
    assert found.as_json()["previous"]["steps"][0]["reached"] == 2


@pytest.mark.django_db
@pytest.mark.usefixtures("own_columns")
def test_the_command_takes_every_option_and_names_what_it_refuses():
    customer = factories.make_customer()
    for day, kind in (
        (0, "friend_added"),
        (1, "group_left"),
        (2, "group_joined"),
        (3, "order_paid"),
    ):
        factories.make_fact(customer, kind, day)

    def run(*options):
        out = StringIO()
        call_command("funnel", "--steps", STEPS, *options, "--json", stdout=out)
        return [step["reached"] for step in json.loads(out.getvalue())["steps"]]

    assert run() == [1, 1, 1]
    assert run("--exclude", "group_left") == [1, 0, 0]
    assert run("--exclude", "group_left@2-3") == [1, 1, 1]
    assert run("--order", "strict") == [1, 0, 0]
    assert run("--step-window", "2d,23h") == [1, 1, 0]
    assert run("--min-gap", "30h") == [1, 1, 0]
    assert run("--totals", "--hold", "city") == [0, 0, 0]
    with pytest.raises(CommandError, match=r"exclude: .*no_such"):
        run("--exclude", "no_such")
    with pytest.raises(CommandError, match="min_gap"):
        run("--window", "1d", "--min-gap", "1d")


@pytest.mark.django_db
@pytest.mark.usefixtures("own_columns")
def test_the_people_behind_sessions_are_their_customers():
    customer = factories.make_customer()
    visit(customer, 0, "friend_added", "s1")
    visit(customer, 1, "friend_added", "s2")
    question = question_from({"steps": "friend_added", "unit": "property:session_id"})
    assert people_behind(question, Figure(1, "reached"), user=None).ids == [customer.pk]
