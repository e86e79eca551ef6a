"""Facts on their way to the warehouse, and both engines asked about the same company."""

import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from analytics.clickhouse import funnels, paths, slices, tables, transitions
from analytics.clickhouse.connection import Connection, WarehouseRefused
from analytics.clickhouse.loading import load
from analytics.clickhouse.source import ClickHouseSource
from analytics.events.datasets import DatasetSource
from analytics.events.live import LiveSource
from analytics.events.regrouped import of_unit
from analytics.events.source import engine_of
from analytics.funnels import engine
from analytics.funnels.parsing import question_from
from analytics.funnels.queries import ask, level_of_each
from analytics.paths import engine as paths_engine
from analytics.paths.question import OTHER, path_from
from analytics.retention.parsing import retention_from
from analytics.transitions import engine as transitions_engine
from analytics.transitions.question import transition_from
from crm.customers.models import Customer
from crm.datasets.actions import take_into_dataset
from crm.timeline.models import Fact
from tests import factories
from tests.analytics.warehouse import house

pytestmark = pytest.mark.django_db(transaction=True)
ASKED = {"steps": "friend_added,group_joined,order_paid", "window": "10d"}


@pytest.fixture(autouse=True)
def warehouse(settings, tmp_path, monkeypatch):
    """An empty warehouse, and the settings that name it."""
    settings.COLUMNS_DIR = tmp_path / "columns"
    settings.CLICKHOUSE_URL = "chdb:tests"
    monkeypatch.setattr("analytics.clickhouse.connection._opened", lambda _url, _pid: house())
    tables.drop(house())
    tables.create(house())
    return house()


@pytest.fixture
def company():
    """Thirty customers of two teams and three channels who went different ways."""
    root = factories.make_department()
    teams = [factories.make_department(parent=root) for _n in range(2)]
    agents = [factories.make_agent(department=team) for team in teams]
    channels = [factories.make_channel() for _n in range(3)]
    for number in range(30):
        channel = channels[number % 3]
        own = {"channel": channel} if number % 5 == 0 else {}
        customer = factories.make_customer(**own)
        told = {} if number % 5 == 0 else {"channel_id": channel.pk}
        agent = {"agent_id": agents[number % 2].pk}
        factories.make_fact(customer, "friend_added", number / 2, **told, **agent)
        if number % 2:
            factories.make_fact(customer, "group_joined", number / 2 + number % 7, **agent)
        if number % 3:
            amount = {"amount_cents": 100_000 * (number % 4), "properties": {"product": "茶'"}}
            factories.make_fact(customer, "order_paid", number / 2 + number % 9, **amount)
    return agents, channels


def told(answer) -> dict:
    """An answer without when it was given, its cells in one order: equal ones have none."""
    body = answer.as_json()
    body["cells"] = sorted(body["cells"], key=lambda cell: json.dumps(cell["cell"]))
    return body


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"breakdown": "channel"},
        {"breakdown": "agent"},
        {"breakdown": "team,week"},
        {"breakdown": "stage"},
        {"order": "any", "breakdown": "week"},
        {"from": "2026-11-03", "to": "2026-11-10", "as_of": "2026-11-12"},
        {"steps": "friend_added,order_paid[amount>=2000]"},
        {"steps": "friend_added,order_paid[product=茶']"},
        {"steps": "friend_added,order_paid[product>=0]"},
        {"steps": "friend_added,order_paid[product in 茶'|0|7]"},
        {"steps": "friend_added,order_paid[amount in 2000|500]"},
        {"steps": "friend_added[channel=channel-nobody],order_paid[amount!=0]"},
    ],
)
def test_both_engines_give_the_same_answer(warehouse, company, words):
    load(warehouse)
    question = question_from(ASKED | words)
    here, there = LiveSource(), ClickHouseSource(LiveSource())
    assert told(funnels.answer(question, there)) == told(engine.answer(question, here))
    assert funnels.levels(question, there) == engine.levels(question, here)


def test_a_filter_and_a_cell_list_the_same_people(warehouse, company):
    agents, channels = company
    load(warehouse)
    question = question_from(
        ASKED | {"breakdown": "channel", "filters": {"agent": [agents[0].userid]}}
    )
    here, there = LiveSource(), ClickHouseSource(LiveSource())
    assert told(funnels.answer(question, there)) == told(engine.answer(question, here))
    for state in ("reached", "converted", "dropped", "open"):
        cell = {"channel": channels[0].code}
        lists = [
            room.people(question, source, step=1, state=state, cell=cell).tolist()
            for room, source in ((engine, here), (funnels, there))
        ]
        assert lists[0] == lists[1]


def test_only_customers_in_scope_are_counted(warehouse, company):
    load(warehouse)
    allowed = LiveSource().parts[0].columns.ids_at(range(7))
    there = ClickHouseSource(LiveSource(), allowed=allowed)
    question = question_from(ASKED | {"breakdown": "channel,agent"})
    assert funnels.answer(question, there).steps[0].reached == 7
    assert len(funnels.levels(question, there)) == 7


def test_a_load_brings_what_is_new_and_a_second_one_nothing(warehouse, company):
    first, second = load(warehouse), load(warehouse)
    assert (first.facts, second.facts, second.repaired_buckets) == (Fact.unsafe_all.count(), 0, 0)
    factories.make_fact(factories.make_customer(), "friend_added", 1)
    assert load(warehouse, verify=False).facts == 1


def test_a_load_that_died_half_way_goes_on_after_its_last_block(warehouse, company, monkeypatch):
    monkeypatch.setattr("analytics.clickhouse.loading.BLOCK", 10)
    sent = []

    class Dies:
        rows, run = warehouse.rows, warehouse.run

        def insert(self, table, columns, rows):
            if len(sent) == 3:
                raise KeyboardInterrupt
            warehouse.insert(table, columns, rows)
            sent.append(len(rows))

    with pytest.raises(KeyboardInterrupt):
        load(Dies())
    assert load(warehouse).facts == Fact.unsafe_all.count() - 30
    [[held]] = warehouse.rows("select count() from facts")
    assert held == Fact.unsafe_all.count()


def test_erased_facts_are_deleted_and_missing_ones_put_back(warehouse, company):
    load(warehouse)
    gone = Fact.unsafe_all.order_by("pk").first()
    with connection.cursor() as cursor:
        cursor.execute("delete from crm_fact where customer_id = %s", [gone.customer_id])
    assert load(warehouse, verify=False).deleted == 0
    done = load(warehouse)
    assert done.deleted > 0
    assert warehouse.rows(f"select count() from facts where customer = {gone.customer_id}") == [[0]]
    tables.delete(warehouse, "facts", "customer % 2 = 0")
    load(warehouse)
    [[held]] = warehouse.rows("select count() from facts final")
    assert held == Fact.unsafe_all.count()


def test_the_commands_ask_either_engine_about_live_data_and_datasets(company, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(
        "unit,event,at,channel\nu,A,2026-03-01,web\nu,B,2026-03-02,app\nw,A,2026-03-01,\n"
    )
    take_into_dataset(path, "log", now=factories.at(0))
    for words in ((), ("--dataset", "log")):
        call_command("clickhouse", "load", *words, "--json", stdout=io.StringIO())
    live = ("funnel", "--steps", ASKED["steps"], "--breakdown", "channel", "--levels")
    apart = (
        "funnel", "--steps", "A,B", "--dataset", "log", "--breakdown", "channel", "--levels",
    )  # fmt: skip
    back = ("retention", "--birth", "order_paid", "--return", "order_paid")
    of_some = ("retention", "--birth", "friend_added", "--return", "order_paid[product in 茶'|水]")
    ways = ("paths", "--event", "friend_added", "--depth", "2")
    moved = ("transitions", "--from", "2026-11-05", "--to", "2026-11-15", "--levels")
    apart_too = ("transitions", *moved[1:-1], "--dataset", "log", "--event", "B")
    for asked in (live, apart, back, of_some, ways, moved, apart_too):
        answers = [run(*asked, "--engine", name) for name in ("columns", "clickhouse")]
        assert answers[0] == answers[1]
    assert run(*apart, "--engine", "clickhouse")["levels"] == {"u": 2, "w": 1}


def test_a_dropped_dataset_is_gone_there_too_and_a_rebuilt_one_leaves_the_rest(company, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("unit,event,at\nu,A,2026-03-01\nu,B,2026-03-02\n")
    take_into_dataset(path, "log", now=factories.at(0))
    for words in (("load",), ("load", "--dataset", "log"), ("rebuild", "--dataset", "log")):
        call_command("clickhouse", *words, "--json", stdout=io.StringIO())
    held = "select count() from facts final where dataset"
    assert house().rows(f"{held} = 0") == [[Fact.unsafe_all.count()]]
    assert house().rows(f"{held} > 0") == [[2]]
    call_command("datasets", "--drop", "log", stdout=io.StringIO())
    assert house().rows(f"{held} = 0") == [[Fact.unsafe_all.count()]]
    assert house().rows(f"{held} > 0") == [[0]]


def test_records_of_people_who_are_gone_go_there_too(warehouse, company):
    someone = factories.make_customer()
    load(warehouse)
    record = f"select count() from units final where customer = {someone.pk}"
    assert warehouse.rows(record) == [[1]]
    someone.delete()
    load(warehouse)
    assert warehouse.rows(record) == [[0]]
    assert warehouse.rows("select count() from units final") == [[Customer.unsafe_all.count()]]


def run(*words) -> dict:
    output = io.StringIO()
    call_command(*words, "--json", stdout=output)
    body = json.loads(output.getvalue())
    if "cells" in body:
        body["cells"].sort(key=lambda cell: json.dumps(cell["cell"]))
    return body


@pytest.mark.parametrize(
    "words",
    [
        {"steps": "order_paid,order_paid[amount>=2000]"},
        {"steps": "friend_added,order_paid,order_paid[amount>=2000]", "breakdown": "channel"},
        {"min_gap": "1d", "breakdown": "channel,agent", "value": "amount"},
        {"step_window": "2d,3d", "breakdown": "stage", "filters": {"channel": ["CHANNEL"]}},
        {"exclude": ["group_joined@1-2"], "steps": "friend_added,order_paid", "breakdown": "week"},
        {"exclude": ["message_received"], "breakdown": "team", "value": "amount"},
        {"steps": "friend_added,order_paid", "breakdown": "channel@last", "value": "amount"},
        {"steps": "friend_added,order_paid", "breakdown": "property:product@2"},
        {"steps": "friend_added,order_paid", "breakdown": "property:channel"},
        {"steps": "order_paid", "unit": "property:product", "value": "amount"},
        {"steps": "friend_added,group_joined", "unit": "property:agent", "breakdown": "channel"},
        {"count": "totals", "steps": "friend_added,order_paid", "breakdown": "agent"},
        {"order": "strict", "hold": "agent", "steps": "friend_added,group_joined"},
        {"steps": "friend_added,order_paid", "value": "product", "min_gap": "0s"},
        {"from": "2026-11-03", "to": "2026-11-10", "compare": "previous", "min_gap": "1d"},
        {"steps": "order_paid[amount=much]", "as_of": "2026-11-12"},
        {"steps": "order_paid[amount<much],order_paid[amount>=0]"},
        {"steps": "friend_added[channel>=7]"},
        {"steps": "friend_added[agent!=7],order_paid"},
        {"steps": "friend_added", "unit": "property:nothing"},
    ],
)
def test_every_option_has_the_same_answer_on_both_engines(warehouse, company, monkeypatch, words):
    monkeypatch.setattr(slices, "EVENTS_AT_MOST", 20)
    monkeypatch.setattr(slices, "BUCKET_BITS", 2)
    load(warehouse)
    if "filters" in words:
        words = words | {"filters": {"channel": [company[1][0].code]}}
    question = question_from(ASKED | words)
    answers, levels, lists = [], [], []
    for source in (LiveSource(), ClickHouseSource(LiveSource())):
        answers.append(told(ask(question, user=None, source=source)))
        levels.append(level_of_each(question, user=None, source=source))
        by_unit = of_unit(source, question.unit)
        found = engine_of(source, "funnels").people(question, by_unit, step=1, state="reached")
        lists.append(by_unit.customers_of(found) if hasattr(by_unit, "customers_of") else found)
    assert answers[0] == answers[1]
    assert levels[0] == levels[1]
    assert lists[0].tolist() == lists[1].tolist()


def test_numbers_of_channels_and_agents_are_compared_as_numbers(warehouse, company):
    seven = factories.make_channel(code="07")
    factories.make_fact(factories.make_customer(), "friend_added", 1, channel_id=seven.pk)
    load(warehouse)
    for test, expected in (("channel=7", 1), ("channel<7", 0), ("channel in 7|8", 1)):
        question = question_from({"steps": f"friend_added[{test}]"})
        for room, source in ((engine, LiveSource()), (funnels, ClickHouseSource(LiveSource()))):
            assert room.answer(question, source).steps[0].reached == expected


def test_both_engines_walk_the_same_paths(warehouse, company, monkeypatch):
    monkeypatch.setattr(slices, "EVENTS_AT_MOST", 20)
    monkeypatch.setattr(slices, "BUCKET_BITS", 2)
    load(warehouse)
    for words in (
        {"event": "friend_added", "top": "1"},
        {"event": "order_paid[amount>=1000]", "direction": "before", "depth": "2"},
        {"event": "friend_added", "ignore": "group_joined", "as_of": "2026-11-12"},
    ):
        question = path_from(words)
        here, there = LiveSource(), ClickHouseSource(LiveSource())
        answers = [
            paths_engine.answer(question, here).as_json(), paths.answer(question, there).as_json(),
        ]  # fmt: skip
        assert answers[0] == answers[1]
        for figure in ({}, {"place": 1, "event": OTHER}, {"place": 1, "event": "order_paid"}):
            lists = [
                paths_engine.people(question, here, **figure).tolist(),
                paths.people(question, there, **figure).tolist(),
            ]
            assert lists[0] == lists[1]


@pytest.mark.parametrize("by", ["loyalty", "life"])
def test_both_engines_see_everybody_go_from_stage_to_stage(warehouse, company, monkeypatch, by):
    monkeypatch.setattr(slices, "EVENTS_AT_MOST", 20)
    monkeypatch.setattr(slices, "BUCKET_BITS", 2)
    silent = factories.make_customer()
    order = factories.make_order(Customer.unsafe_all.first())
    for kind, day in (("order_paid", 2), ("order_refunded", 8)):
        factories.make_fact(order.customer, kind, day, order_id=order.pk)
    load(warehouse)
    question = transition_from({"from": "2026-11-05", "to": "2026-11-15", "by": by})
    here, there = LiveSource(), ClickHouseSource(LiveSource())
    answers = [transitions_engine.answer(question, here), transitions.answer(question, there)]
    assert answers[0].as_json() == answers[1].as_json()
    assert answers[1].customers == Customer.unsafe_all.count()
    stages = [
        transitions_engine.stage_of_each(question, here), transitions.stage_of_each(question, there)
    ]  # fmt: skip
    assert stages[0] == stages[1]
    assert silent.pk in stages[1]
    after = question.stages[1]
    lists = [
        room.people(question, source, after=after).tolist()
        for room, source in ((transitions_engine, here), (transitions, there))
    ]
    assert lists[0] == lists[1]


def test_scope_holds_for_what_is_folded_slice_by_slice(warehouse, company):
    load(warehouse)
    allowed = LiveSource().parts[0].columns.ids_at(range(7))
    here, there = (kind(allowed=allowed) for kind in (LiveSource, _scoped))
    asked = question_from(ASKED | {"min_gap": "1d", "breakdown": "channel"})
    assert told(funnels.answer(asked, there)) == told(engine.answer(asked, here))
    assert len(funnels.levels(asked, there)) == 7
    moved = transition_from({"from": "2026-11-05", "to": "2026-11-15", "by": "life"})
    assert transitions.answer(moved, there).customers == 7
    assert paths.answer(path_from({"event": "friend_added"}), there).people == 7


def _scoped(allowed):
    return ClickHouseSource(LiveSource(), allowed=allowed)


def test_an_engine_that_is_not_there_is_refused_with_the_remedy(settings):
    with pytest.raises(WarehouseRefused, match="clickhouse load"):
        funnels.answer(question_from(ASKED), ClickHouseSource(LiveSource()))
    settings.CLICKHOUSE_URL = ""
    for words in (("--engine", "clickhouse"), ("--engine", "abacus")):
        with pytest.raises(CommandError, match=r"^engine: "):
            call_command("funnel", "--steps", "friend_added", *words)
    for url in ("http://127.0.0.1:9/changke", "gopher://x"):
        with pytest.raises(WarehouseRefused) as refusal:
            Connection(url)
        assert refusal.value.field == "engine"


def test_a_server_that_refuses_a_statement_is_quoted(warehouse):
    with pytest.raises(WarehouseRefused, match="nothing_like_it"):
        warehouse.rows("select nothing_like_it from facts")


def test_a_dataset_is_told_by_its_last_event(warehouse, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("unit,event,at\nu,A,2026-03-01T00:00:00.5Z\n")
    take_into_dataset(path, "log", now=factories.at(0))
    base = DatasetSource.named("log")
    load(warehouse, base.dataset)
    assert ClickHouseSource(base).data_time == base.data_time
    question = retention_from({"birth": "A", "return": "A"})
    assert question.birth.event == "A"
