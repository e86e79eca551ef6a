"""Heavy questions: a budget of time, a progress bar, a stop button, and no harm to others."""

import os
import threading
import time

import pytest
from django.db import connection
from django.urls import reverse

from analytics.events import folding
from analytics.events.budget import Budget, OverBudget, QuestionCancelled, current, spend
from analytics.funnels.asking import HEADER, Ticket
from crm.agents.access import Role
from tests import factories

STEPS = {"steps": "friend_added,group_joined", "window": "10d"}
PAGES = [
    ("analytics:funnels:funnel", STEPS),
    ("analytics:retention:retention", {"birth": "friend_added", "return": "message_received"}),
    ("analytics:paths:paths", {"event": "friend_added"}),
    ("analytics:transitions:transitions", {}),
]


@pytest.fixture(autouse=True)
def _own_columns(settings, tmp_path):
    settings.COLUMNS_DIR = tmp_path / "columns"


@pytest.fixture
def operator(client, db):
    factories.make_fact(factories.make_customer(), "friend_added", 0)
    user = factories.make_user(Role.OPERATOR)
    client.force_login(user)
    return user


def test_folds_stop_at_the_block_where_the_budget_is_spent(db):
    done = []

    def work(item: int) -> int:
        done.append(item)
        purse._begun -= 3
        return item

    purse = Budget(10)
    with pytest.raises(OverBudget, match="10 秒"), spend(purse):
        folding.in_threads(work, range(100))
    assert 4 <= len(done) <= 4 + folding.THREADS
    assert current() is None


def test_folds_stop_when_nobody_wants_the_answer_and_say_how_far_they_were(db):
    told = []
    purse = Budget(10, report=lambda *at: told.append(at), is_cancelled=lambda: len(told) > 5)
    with pytest.raises(QuestionCancelled), spend(purse):
        folding.in_threads(lambda item: item, range(50))
    assert told[:2] == [(1, 50), (2, 50)]
    assert len(told) <= 6 + folding.THREADS


@pytest.mark.django_db(transaction=True)
def test_a_statement_of_the_database_stops_too_and_the_connection_is_as_before():
    def limit() -> str:
        with connection.cursor() as cursor:
            cursor.execute("show statement_timeout")
            return cursor.fetchone()[0]

    before = limit()
    with pytest.raises(OverBudget), spend(Budget(0.05)), connection.cursor() as cursor:
        cursor.execute("select pg_sleep(20)")
    assert limit() == before
    with (
        pytest.raises(OverBudget),
        spend(Budget(0.05)),
        connection.cursor() as cursor,
        cursor.copy("copy (select pg_sleep(20)) to stdout") as copied,
    ):
        list(copied)
    assert limit() == before
    with spend(Budget(30)):
        assert limit() != before
    assert limit() == before


@pytest.mark.django_db(transaction=True)
def test_a_statement_that_nobody_waits_for_is_ended():
    begun = time.monotonic()
    purse = Budget(30, is_cancelled=lambda: time.monotonic() - begun > 0.5)
    with pytest.raises(QuestionCancelled), spend(purse), connection.cursor() as cursor:
        cursor.execute("select pg_sleep(20)")
    assert time.monotonic() - begun < 5
    with connection.cursor() as cursor:
        cursor.execute("select 1")
        assert cursor.fetchone() == (1,)


def test_threads_that_fold_give_way_to_the_rest():
    nice = folding.in_threads(
        lambda _item: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()), range(4)
    )
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert all(each > own for each in nice) or folding.THREADS == 1


@pytest.mark.parametrize(("page", "query"), PAGES)
def test_a_page_that_takes_long_waits_with_a_bar_and_then_answers(
    client, operator, settings, page, query
):
    settings.QUESTION_QUICK_SECONDS = 0
    waiting = client.get(reverse(page), query)
    assert waiting.status_code == 200
    ticket = waiting.context["ticket"]
    assert f'hx-headers=\'{{"X-Question": "{ticket}"}}\'' in waiting.content.decode()
    assert "answer" not in waiting.context or not waiting.context["answer"]
    done = client.get(reverse(page), query, headers={HEADER: ticket})
    assert done.status_code == 200
    assert done.context["answer"]
    patient = client.get(reverse(page), query | {"wait": "1"})
    assert patient.context["answer"]


def test_what_takes_too_long_for_anybody_says_how_to_ask_less(client, operator, settings):
    settings.QUESTION_SECONDS = 0
    url = reverse("analytics:funnels:funnel")
    text = client.get(url, STEPS, headers={HEADER: "a" * 24}).content.decode()
    assert "时限" in text
    assert "缩小日期范围" in text
    api = client.post(
        reverse("analytics:funnels:api"),
        {"steps": ["friend_added"]},
        content_type="application/json",
    )
    assert api.status_code == 422
    assert "时限" in str(api.json())
    file = client.get(reverse("analytics:funnels:export"), STEPS)
    assert file.status_code == 422


def test_a_question_is_stopped_by_its_owner_only(client, operator):
    mine = Ticket(operator, "b" * 24)
    mine.begin()
    mine.report(3, 8)
    page = client.get(reverse("analytics:funnels:progress", args=[mine.number])).content.decode()
    assert 'max="8" value="3"' in page
    other = factories.make_user(Role.OPERATOR)
    client.force_login(other)
    url = reverse("analytics:funnels:stop", args=[mine.number])
    assert client.post(url).status_code == 204
    assert not Ticket(operator, mine.number).is_stopped()
    client.force_login(operator)
    assert client.post(url).status_code == 204
    assert Ticket(operator, mine.number).is_stopped()
    stopped = client.get(reverse("analytics:funnels:funnel"), STEPS, headers={HEADER: mine.number})
    assert "已取消" in stopped.content.decode()
    assert client.get(reverse("analytics:funnels:progress", args=["nope"])).status_code == 404


def test_a_newer_question_stops_the_one_before(operator):
    first, second = (Ticket(operator, letter * 24) for letter in "cd")
    first.begin()
    second.begin()
    assert first.is_stopped()
    assert not second.is_stopped()
