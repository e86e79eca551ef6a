"""Answers that took long are shown again for a while: to the same scope, and asked only once."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count
from threading import Event

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.urls import reverse
from django.utils import timezone, translation
from redis.exceptions import ConnectionError as NoValkey

from analytics.events.budget import Budget, OverBudget, spend
from analytics.figures import lasting as room
from analytics.figures.lasting import LASTS, lasting
from crm.agents.access import Role
from tests import factories

MANY = 6
QUESTION = {"days": 30}


@pytest.fixture(autouse=True)
def _lasting(settings, monkeypatch, tmp_path):
    settings.ANSWERS_LAST = True
    settings.STATE_DIR = tmp_path  # Lanes of this test alone.
    monkeypatch.setattr(room, "QUICK_SECONDS", 0)
    monkeypatch.setattr(room, "LASTS", 10**6)


class Asked:
    """Counts how often it is asked; each answer is another number."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> int:
        self.times += 1
        return self.times


@pytest.fixture
def manager(db):
    return factories.make_user(Role.MANAGER, departments=[factories.make_department()])


def test_the_same_question_of_the_same_scope_is_asked_once(manager):
    asked = Asked()
    company = manager.departments.get()
    other = factories.make_user(Role.MANAGER, departments=[company])
    found = [lasting("x", QUESTION, user=user, ask=asked) for user in (manager, other, manager)]
    assert found == [1, 1, 1]
    assert lasting("x", {"days": 7}, user=manager, ask=asked) == 2
    assert lasting("y", QUESTION, user=manager, ask=asked) == 3


def test_who_sees_others_gets_no_answer_of_somebody_else(manager):
    asked = Asked()
    company = manager.departments.get()
    team = factories.make_department(parent=company)
    elsewhere = factories.make_department(parent=company)
    lead = factories.make_user(Role.LEAD, departments=[team])
    found = [lasting("x", QUESTION, user=user, ask=asked) for user in (manager, lead)]
    assert found == [1, 2]
    lead.departments.set([elsewhere])
    moved = type(lead).objects.get(pk=lead.pk)
    assert lasting("x", QUESTION, user=moved, ask=asked) == 3
    agents = [factories.make_user(Role.AGENT, agent=factories.make_agent()) for _n in range(2)]
    assert [lasting("x", QUESTION, user=user, ask=asked) for user in agents] == [4, 5]


def test_words_in_an_answer_are_in_the_language_of_the_reader(manager):
    asked = Asked()
    assert lasting("x", QUESTION, user=manager, ask=asked) == 1
    with translation.override("en"):
        assert lasting("x", QUESTION, user=manager, ask=asked) == 2


def test_what_was_quick_is_always_asked_anew(manager, monkeypatch):
    monkeypatch.setattr(room, "QUICK_SECONDS", 60)
    asked = Asked()
    assert [lasting("x", QUESTION, user=manager, ask=asked) for _n in range(2)] == [1, 2]


def test_what_took_a_second_is_shown_for_a_minute(manager, monkeypatch):
    monkeypatch.setattr(room, "LASTS", LASTS)
    asked, clock = Asked(), iter([0.0, 1.0, 0.0, 1.0])
    monkeypatch.setattr(room.time, "perf_counter", lambda: next(clock))
    now = room.time.time()
    monkeypatch.setattr(room.time, "time", lambda: now)
    assert lasting("x", QUESTION, user=manager, ask=asked) == 1
    now += 59
    assert lasting("x", QUESTION, user=manager, ask=asked) == 1
    now += 2
    assert lasting("x", QUESTION, user=manager, ask=asked) == 2


def test_a_question_that_failed_is_asked_again_by_the_next(manager):
    def fails() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        lasting("x", QUESTION, user=manager, ask=fails)
    assert lasting("x", QUESTION, user=manager, ask=Asked()) == 1


def test_without_a_cache_every_question_is_asked(manager, monkeypatch):
    def nobody(*_args, **_kwargs):
        raise NoValkey("down")

    for name in ("get", "set", "add", "delete"):
        monkeypatch.setattr(cache, name, nobody)
    asked = Asked()
    assert [lasting("x", QUESTION, user=manager, ask=asked) for _n in range(2)] == [1, 2]


def _at_once(user, monkeypatch) -> int:
    """How often a question is asked that six people want in the same moment."""
    asked, everybody_there, wanting = Asked(), Event(), count(1)
    begin = room._begin

    def begins(key: str) -> bool:
        is_first = begin(key)
        if next(wanting) == MANY:
            everybody_there.set()
        return is_first

    monkeypatch.setattr(room, "_begin", begins)

    def ask() -> int:
        assert everybody_there.wait(20)
        return asked()

    def want(_n: int) -> int:
        try:
            return lasting("x", QUESTION, user=user, ask=ask)
        finally:
            connection.close()

    with ThreadPoolExecutor(MANY) as pool:
        list(pool.map(want, range(MANY)))
    return asked.times


@pytest.mark.django_db(transaction=True)
def test_what_many_want_at_once_is_asked_by_one_of_them(manager, monkeypatch):
    assert _at_once(manager, monkeypatch) == 1


@pytest.mark.django_db(transaction=True)
def test_without_the_guard_each_asks(manager, monkeypatch):
    monkeypatch.setenv("CHANGKE_GUARD_OFF", "answers.alone")
    assert _at_once(manager, monkeypatch) > 1


def test_others_see_the_answer_before_while_somebody_asks_anew(manager, monkeypatch):
    asked = Asked()
    lasting("x", QUESTION, user=manager, ask=asked)
    later = room.time.time() + room.LONGEST_SECONDS
    monkeypatch.setattr(room.time, "time", lambda: later)
    seen = []

    def ask() -> int:
        seen.append(lasting("x", QUESTION, user=manager, ask=asked))
        return asked()

    assert lasting("x", QUESTION, user=manager, ask=ask) == 2
    assert seen == [1]


def test_the_pages_say_of_when_their_numbers_are(client, manager, monkeypatch):
    agent = factories.make_agent(department=manager.departments.get())
    factories.make_friend(agent)
    client.force_login(manager)
    first = client.get(reverse("analytics:rfm:grid"))
    factories.make_friend(agent)
    again = client.get(reverse("analytics:rfm:grid"))
    assert again.context["data_time"] == first.context["data_time"]
    assert again.context["grid"].total == first.context["grid"].total
    assert again.context["data_time"] < timezone.now() + timedelta(seconds=1)


def test_a_machine_asks_one_at_a_time_and_what_was_quick_does_not_wait(manager, monkeypatch):
    monkeypatch.setattr(room, "LANES", 1)
    monkeypatch.setattr(room, "QUICK_SECONDS", 60)
    lasting("quick", QUESTION, user=manager, ask=Asked())
    seen = []

    def slow() -> int:
        seen.append(lasting("quick", QUESTION, user=manager, ask=lambda: "at once"))
        with pytest.raises(OverBudget), spend(Budget(0.2)):
            lasting("another", QUESTION, user=manager, ask=Asked())
        return 1

    assert lasting("slow", QUESTION, user=manager, ask=slow) == 1
    assert seen == ["at once"]
    assert lasting("another", QUESTION, user=manager, ask=Asked()) == 1


_HOLD = """
import fcntl, sys
lane = open(sys.argv[1], "ab")
fcntl.flock(lane, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_another_process_is_waited_for_and_a_dead_one_is_not(manager, monkeypatch):
    monkeypatch.setattr(room, "LANES", 1)
    lane = str(settings.STATE_DIR / "lane-0.lock")
    other = subprocess.Popen(
        [sys.executable, "-c", _HOLD, lane], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout.readline() == b"held\n"
    try:
        with pytest.raises(OverBudget), spend(Budget(0.2)):
            lasting("held", QUESTION, user=manager, ask=Asked())
    finally:
        other.kill()
        other.communicate()
    assert lasting("held", QUESTION, user=manager, ask=Asked()) == 1
