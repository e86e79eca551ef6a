"""A long bad day (``bin/chaos``): dispatchers die at any instant, connections are cut.

Each round sends some posts while the sandbox loses answers; then the weather clears, and the ledger
must show every post once, or not at all with a person asked.
"""

import json
import os
import random
import signal
import time
from collections import Counter
from io import StringIO

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection

from crm.outbox.models import OutboxItem
from tests.crm.matrix.outward import CREATE, OutwardRounds

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.worker, pytest.mark.chaos]
MINUTES = float(os.environ.get("CHANGKE_SOAK_MINUTES", "30"))
WEATHER = ["effect_then_drop", "drop", "http_500", "errcode"]


class Soak(OutwardRounds):
    """Rounds with three dispatchers each, and whatever goes wrong."""

    def __init__(self, nursery, sandbox, settings, seed: int) -> None:
        super().__init__(nursery, sandbox, settings)
        self.sandbox, self.seen = sandbox, Counter()
        self.dice = random.Random(seed)

    def round(self, number: int) -> None:
        """Some posts in bad weather, then what became of them."""
        self.world.pass_(days=1)
        words = [f"soak {number} {n}" for n in range(self.dice.randint(1, 3))]
        moments = [self.world.approved(text=text) for text in words]
        self.world.pass_(minutes=61)
        self.sandbox.fault(CREATE, self.dice.choice(WEATHER), probability=0.4)
        for _turn in range(3):
            self._three_dispatchers()
            self.world.pass_(seconds=self.dice.choice([5, 12, 35]))
        self.sandbox.control("faults", verb="DELETE")
        self._until_all_is_known()
        for moment, text in zip(moments, words, strict=True):
            self._once_or_with_a_person(moment, text)
        self.seen["rounds"] += 1
        self.seen["posts"] += len(words)

    def _three_dispatchers(self) -> None:
        running = [self.nursery.start("dispatch", ahead=self._ahead()) for _n in range(3)]
        time.sleep(self.dice.uniform(0, 0.4))  # Any instant will do.
        if self.dice.random() < 0.3:
            self._cut_connections()
        if self.dice.random() < 0.3:
            cache.clear()
            self.seen["caches emptied"] += 1
        for process in self.dice.sample(running, 2):
            os.kill(process, signal.SIGKILL)
        ends = Counter(self.nursery.wait(process) for process in running)
        self.seen["killed"] += ends[-signal.SIGKILL]

    def _cut_connections(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
                " and backend_type = 'client backend'"
            )
        self.seen["connections cut"] += 1


def test_a_long_bad_day_doubles_nothing_and_loses_nothing(
    nursery, sandbox, settings, record_property
):
    seed = int(os.environ.get("CHANGKE_SOAK_SEED", "1"))
    soak, until = Soak(nursery, sandbox, settings, seed), time.monotonic() + 60 * MINUTES
    while time.monotonic() < until:
        soak.round(soak.seen["rounds"])
    states = Counter(OutboxItem.unsafe_all.values_list("state", flat=True))
    record_property("soak", dict(soak.seen) | {f"items {name}": n for name, n in states.items()})
    assert soak.seen["killed"]


def test_callbacks_go_on_while_postgresql_is_killed_twice():
    told = StringIO()
    call_command("bench", "storm", "--json", stdout=told)
    measured = json.loads(told.getvalue())["measured"]
    assert measured["statuses"]["503"]  # Else nobody noticed that it was away.
    assert (measured["accepted"], measured["lost"], measured["doubled"]) == (measured["of"], 0, 0)
    assert (measured["relations_that_differ"], measured["repairs"]) == (0, {})
    assert measured["p99_ms"] < 300
