"""Every standing page over many customers: time in SQL, and no drift after facts in any order.

Journeys of all customers are written by SQL and folded as `standing rebuild` does it; then a
stream of late, repeated and out-of-order facts goes through the product's append, and the proof
counts what differs. Pages are asked over HTTP by somebody who sees everybody; only their SQL is
timed. The rival is the fold of all journeys from the facts, by the same SQL function, in the same
run.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from django.core.management.base import CommandParser
from django.db import connection
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from analytics.replies.agents import keep_counts
from analytics.standing.actions import merge_cubes
from analytics.standing.benching import (
    AGENTS,
    CHANNELS,
    DAYS,
    GROUPS,
    START,
    Stream,
    populate,
)
from analytics.standing.models import JourneyState
from analytics.standing.proof import prove
from crm.agents.access import Role
from crm.agents.models import Department, User
from crm.shared.own_servers import bench_apart
from crm.timeline.actions import append_facts

NAME = "cube"
HELP = "SQL time of every standing page, and drift after facts in any order"
_NUMBERS = {"customers": 1_000_000, "runs": 20}
_JOURNEYS = """
with entered as materialized (
    select id, %(start)s::timestamptz + random() * %(days)s * interval '1 day' as at,
           least(6, 1 + floor(-ln(1 - random()) / 0.6)::int) as steps, random() as pace
    from crm_customer where id between %(low)s and %(high)s
)
insert into crm_fact (customer_id, kind_id, at, recorded_at, agent_id, group_id, channel_id,
                      source, source_key, properties)
select e.id, (array[1, 5, 9, 10, 11, 14, 7, 8])[s],
       e.at + (case when s > 6 then s - 6 else s - 1 end) * e.pace * interval '4 days', now(),
       case when s <> 2 then e.id %% %(agents)s + 1 end,
       case when s = 2 then e.id %% %(groups)s + 1 end,
       case when s = 1 then e.id %% %(channels)s + 1 end, 'journey', e.id || ':' || s, '{}'
from entered e cross join generate_series(1, 8) as s
where s <= e.steps or s > 6
order by e.at
"""
_FRIENDS = """
insert into crm_contact (customer_id, agent_id, status, added_at, add_way, state, remark,
                         description, created_at, updated_at)
select id, id %% %(agents)s + 1, 'active', %(start)s, 0, '', '', '', now(), now()
from crm_customer
"""
_FOLD = """
select channel_id, level, count(*)
from analytics_standing_journey(array(select id from crm_customer)) group by 1, 2
"""


def add_arguments(parser: CommandParser) -> None:
    for name, default in _NUMBERS.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default {default}")
    parser.add_argument("--here", action="store_true", help="on the servers in force, not its own")


def run(options: dict[str, Any]) -> dict[str, Any]:
    """Measure on servers of our own, made and thrown away."""
    if options["here"]:
        return _measure(**{name: options[name] for name in _NUMBERS})
    return bench_apart(NAME, [f"--{name}={options[name]}" for name in _NUMBERS])


def _measure(*, customers: int, runs: int) -> dict[str, Any]:
    populate(customers)
    _write_journeys(customers)
    begun = time.perf_counter()
    rebuilt = prove(now=timezone.now(), repair=True)
    rebuild_s = time.perf_counter() - begun
    _tell_in_any_order(customers)
    merge_cubes()
    begun = time.perf_counter()
    keep_counts(now=timezone.now())
    replies_s = time.perf_counter() - begun
    _execute("vacuum analyze")
    drift = prove(now=timezone.now()).drift
    # An answer that is shown again costs nothing, and would make a page look quick.
    with override_settings(ANSWERS_LAST=False):
        pages = {name: _sql_ms(ask, runs) for name, ask in _pages().items()}
    begun = time.perf_counter()
    _execute(_FOLD)
    fold_ms = 1000 * (time.perf_counter() - begun)
    worst = max(page["p95_ms"] for page in pages.values())
    return {
        "scale": {"customers": customers, "states": JourneyState.unsafe_all.count(), "runs": runs},
        "measured": {
            "p95_ms": worst,
            "drift": sum(drift.values()),
            "replies_s": round(replies_s, 1),
            "rebuild_s": round(rebuild_s, 1),
            "rebuilt_rows": rebuilt.total_drift,
            "pages": pages,
        },
        "rivals": {"raw_fold": {"wall_ms": round(fold_ms)}},
        "ratios": {"raw_fold_over_page": round(fold_ms / worst, 1)},
        "goals": {"p95_ms": "<= 50", "drift": 0},
    }


def _write_journeys(customers: int) -> None:
    _execute("alter table crm_fact disable trigger standing_facts_came")
    _execute("select setseed(0.25)")
    for low in range(1, customers + 1, 100_000):
        _execute(
            _JOURNEYS,
            {
                "start": START,
                "days": DAYS,
                "low": low,
                "high": low + 99_999,
                "agents": AGENTS,
                "groups": GROUPS,
                "channels": CHANNELS,
            },
        )
    _execute("alter table crm_fact enable trigger standing_facts_came")
    _execute(_FRIENDS, {"agents": AGENTS, "start": START})
    _execute("vacuum analyze crm_fact")


def _tell_in_any_order(customers: int) -> None:
    facts = Stream(customers, late=0.3, twice=0.1).batch(20_000, seconds=86_400 * 20)
    np.random.default_rng(7).shuffle(facts)
    for place in range(0, len(facts), 1_000):
        append_facts(facts[place : place + 1_000], now=timezone.now())


def _pages() -> dict[str, Callable[[], Any]]:
    """Requests by somebody who sees everybody."""
    client = Client(SERVER_NAME="localhost")
    root = Department.objects.create(wecom_id=1, name="Bench", path="/1/")
    manager = User.objects.create(username="bench", role=Role.MANAGER)
    manager.departments.add(root)
    client.force_login(manager)
    since = {"from": "2026-09-01", "to": "2026-10-31"}
    addresses = {
        "journey_by_channel": ("analytics:standing:journey", since | {"by": "channel"}, []),
        "journey_by_week": ("analytics:standing:journey", since | {"by": "week"}, []),
        "journey_by_agent": ("analytics:standing:journey", since | {"by": "agent"}, []),
        "pool_friends": ("analytics:pool:pool", since | {"pool": "friends"}, []),
        "pool_groups": ("analytics:pool:pool", since | {"pool": "groups"}, []),
        "agents": ("analytics:dashboards:agents", {"days": "90"}, []),
        "agent": ("analytics:dashboards:agent", {"days": "90"}, [7]),
    }

    def asking(name: str, values: dict[str, str], args: list[int]) -> Callable[[], Any]:
        def ask() -> None:
            answered = client.get(reverse(name, args=args), values)
            if answered.status_code != 200:
                raise RuntimeError(f"{name} answers {answered.status_code}")

        return ask

    return {name: asking(*address) for name, address in addresses.items()}


def _sql_ms(ask: Callable[[], Any], runs: int) -> dict[str, float]:
    """Median and p95 of the time that one request spends in SQL."""
    taken = []
    for _ in range(runs):
        spent = [0.0]

        def timing(execute: Any, *args: Any, spent: list[float] = spent) -> Any:
            begun = time.perf_counter()
            try:
                return execute(*args)
            finally:
                spent[0] += time.perf_counter() - begun

        with connection.execute_wrapper(timing):
            ask()
        taken.append(1000 * spent[0])
    taken.sort()
    return {
        "p50_ms": round(statistics.median(taken), 1),
        "p95_ms": round(taken[int(len(taken) * 0.95) - 1], 1),
    }


def _execute(statement: str, values: Any = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
