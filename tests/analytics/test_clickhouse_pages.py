"""Pages ask the second engine where the settings say so: same answers, budget, bar and stop."""

import re
import time

import pytest
from django.urls import reverse

from analytics.clickhouse import funnels, paths, slices, tables, transitions
from analytics.clickhouse.loading import load
from analytics.clickhouse.slices import Need
from analytics.clickhouse.source import ClickHouseSource
from analytics.events.budget import Budget, OverBudget, QuestionCancelled, spend
from analytics.events.live import LiveSource
from analytics.funnels.asking import HEADER, Ticket
from analytics.funnels.parsing import question_from
from analytics.paths.question import path_from
from analytics.transitions.question import transition_from
from crm.agents.access import Role
from tests import factories
from tests.analytics.test_budget import PAGES
from tests.analytics.test_retention_pages import figures
from tests.analytics.warehouse import house

pytestmark = pytest.mark.django_db(transaction=True)
PLAIN = {"steps": "friend_added,group_joined", "window": "10d"}
RICH = PLAIN | {"min_gap": "1h", "breakdown": "channel", "from": "2026-11-01", "to": "2026-11-30"}


@pytest.fixture(autouse=True)
def warehouse(settings, tmp_path, monkeypatch):
    """A loaded warehouse of two teams' customers, cut into small slices."""
    settings.COLUMNS_DIR = tmp_path / "columns"
    settings.CLICKHOUSE_URL, settings.ANSWERS_LAST = "chdb:tests", False
    monkeypatch.setattr("analytics.clickhouse.connection._opened", lambda _url, _pid: house())
    monkeypatch.setattr(slices, "EVENTS_AT_MOST", 10)
    monkeypatch.setattr(slices, "BUCKET_BITS", 1)
    tables.drop(house())
    root = factories.make_department()
    teams = [factories.make_department(parent=root) for _n in range(2)]
    agents = [factories.make_agent(department=team) for team in teams]
    for number in range(24):
        agent = agents[number % 2]
        customer = factories.make_friend(agent)
        for day, kind in enumerate(("friend_added", "message_received", "group_joined")):
            if (number + day) % 3:
                factories.make_fact(customer, kind, number / 4 + day, agent_id=agent.pk)
    load(house())
    return factories.make_user(Role.LEAD, departments=[teams[0]])


@pytest.mark.parametrize(("page", "query"), [*PAGES, (PAGES[0][0], RICH)])
def test_a_page_says_the_same_on_both_engines_and_opens(client, warehouse, settings, page, query):
    client.force_login(warehouse)
    answers, shown = [], []
    for settings.QUESTION_ENGINE in ("columns", "clickhouse"):
        response = client.get(reverse(page), query)
        answers.append(response.context["answer"].as_json())
        shown.append([value for value, _href in figures(response.content.decode())])
    assert answers[0] == answers[1]
    assert shown[0] == shown[1]
    for value, href in figures(response.content.decode())[:6]:
        assert f'data-count="{value}"' in client.get(href).content.decode()


@pytest.mark.parametrize(("page", "query"), [*PAGES, (PAGES[0][0], RICH)])
def test_a_page_waits_with_a_bar_and_can_be_stopped(client, warehouse, settings, page, query):
    settings.QUESTION_ENGINE, settings.QUESTION_QUICK_SECONDS = "clickhouse", 0
    client.force_login(warehouse)
    waiting = client.get(reverse(page), query)
    ticket = waiting.context["ticket"]
    assert ticket
    assert not waiting.context.get("answer")
    assert client.get(reverse(page), query, headers={HEADER: ticket}).context["answer"]
    stopped = Ticket(warehouse, "b" * 24)
    stopped.begin()
    stopped.stop()
    page_stopped = client.get(reverse(page), query, headers={HEADER: stopped.number})
    assert "已取消" in page_stopped.content.decode()
    settings.QUESTION_SECONDS = 0
    over = client.get(reverse(page), query, headers={HEADER: "c" * 24}).content.decode()
    assert "时限" in over


def test_a_statement_takes_no_longer_than_the_budget():
    begun = time.monotonic()
    with pytest.raises(OverBudget, match="1 秒"), spend(Budget(1)):
        house().rows("select count() from numbers(1000000000000) where sipHash64(number) % 7 = 0")
    assert time.monotonic() - begun < 5
    assert house().rows("select 1") == [[1]]


def test_what_is_folded_slice_by_slice_tells_how_far_it_is_and_stops_between_two():
    source = ClickHouseSource(LiveSource())
    cuts = len(list(slices.slices(source, Need())))
    assert cuts > 3
    asks = [
        lambda: funnels.answer(question_from(RICH), source),
        lambda: paths.answer(path_from({"event": "friend_added"}), source),
        lambda: transitions.answer(
            transition_from({"from": "2026-11-02", "to": "2026-11-09", "by": "life"}), source
        ),
    ]
    for ask in asks:
        told = []
        with spend(Budget(30, report=lambda *at, told=told: told.append(at))):
            ask()
        shares = [done / total for done, total in told]
        assert len(told) >= cuts - 1
        assert shares == sorted(shares)
        assert shares[-1] == 1
        done = []
        purse = Budget(
            30,
            report=lambda *at, done=done: done.append(at),
            is_cancelled=lambda done=done: len(done) > 2,
        )
        with pytest.raises(QuestionCancelled), spend(purse):
            ask()
        assert len(done) < len(told)


def test_questions_wait_for_the_load_and_not_the_other_way_round():
    """Within a budget a statement has a lower priority than what loads, which has none."""
    asked = "select value from system.settings where name = 'priority'"
    [[loading]] = house().rows(asked)
    with spend(Budget(30)):
        [[asking]] = house().rows(asked)
    assert (int(loading), int(asking)) == (0, 5)
    assert re.fullmatch("[0-9]+", asking)
