"""Facts in batches of 5,000, with state and cubes, against plain append in the same run.

Both sides are the product's own `append_facts`, one commit a batch, on PostgreSQL as the demo runs
it (fsync on), in a folder that is deleted; the plain side has the folding triggers switched off.
Several writers work at once, as workers do, and tell of the same people. Rounds alternate. A
quarter of the facts are steps of the journey, 3 % are late, 2 % are told twice. Merging the cubes
is part of the folding side's time. At the end the proof must find no drift, and a
question to the columns must count the last batch.
"""

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.core.management.base import CommandParser
from django.db import connection
from django.utils import timezone

from analytics.standing.actions import merge_cubes
from analytics.standing.benching import Stream, populate
from analytics.standing.proof import prove
from crm.shared.own_servers import bench_apart
from crm.timeline.actions import NewFact, append_facts

NAME = "ingest"
HELP = "facts in batches of 5,000 with state and cubes, against plain append"
_NUMBERS = {"customers": 200_000, "history": 600_000, "batch": 5_000, "rounds": 12, "writers": 2}


def add_arguments(parser: CommandParser) -> None:
    for name, default in _NUMBERS.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default {default}")
    parser.add_argument("--here", action="store_true", help="on the servers in force, not its own")


def run(options: dict[str, Any]) -> dict[str, Any]:
    """Measure on servers of our own, made and thrown away."""
    if options["here"]:
        return _measure(**{name: options[name] for name in _NUMBERS})
    return bench_apart(NAME, [f"--{name}={options[name]}" for name in _NUMBERS])


def _measure(
    *, customers: int, history: int, batch: int, rounds: int, writers: int
) -> dict[str, Any]:
    populate(customers)
    stream = Stream(customers)
    for _ in range(history // 20_000):
        append_facts(stream.batch(20_000, seconds=3_600), now=timezone.now())
    merge_cubes()
    _run("vacuum analyze")
    folded, plain, alone, seconds = [], [], [], []

    def ours(writers: int, rates: list[float]) -> list[float]:
        lots = [[stream.batch(batch) for _ in range(4)] for _writer in range(writers)]
        rate, each = _timed(lots, then=merge_cubes)
        rates.append(rate)
        return each

    for number in range(rounds):
        seconds += ours(writers, folded)
        ours(1, alone)
        _run("alter table crm_fact disable trigger standing_facts_came")
        # Facts of their own, which are taken away again, so that both sides see the same table.
        bare = Stream(customers, seed=number + 1)
        plain.append(_timed([[bare.batch(batch)] for _writer in range(writers)])[0])
        _run("alter table crm_fact enable trigger standing_facts_came")
        _forget(number + 1)
    rate, bare_rate = statistics.median(folded), statistics.median(plain)
    fresh = _seconds_until_counted(stream.batch(batch))
    drift = prove(now=timezone.now()).drift
    return {
        "scale": {
            "customers": customers,
            "history": history,
            "batch": batch,
            "rounds": rounds,
            "writers": writers,
        },
        "measured": {
            "facts_per_s": round(rate),
            "facts_per_s_one_writer": round(statistics.median(alone)),
            "batch_p50_ms": round(statistics.median(seconds) * 1000, 1),
            "batch_p95_ms": round(sorted(seconds)[int(len(seconds) * 0.95)] * 1000, 1),
            "columns_fresh_s": round(fresh, 2),
            "drift": sum(drift.values()),
        },
        "rivals": {"plain_append": {"facts_per_s": round(bare_rate)}},
        "ratios": {"ours_over_plain_append": round(bare_rate / rate, 2)},
        "goals": {
            "facts_per_s": ">= 30000",
            "ours_over_plain_append": "<= 3",
            "columns_fresh_s": "<= 60",
            "drift": 0,
        },
    }


def _timed(
    lots: list[list[list[NewFact]]], then: Callable[[], Any] | None = None
) -> tuple[float, list[float]]:
    """Facts a second of writers at once, one for each lot, and the seconds of each batch.

    What has to be done afterwards counts in the rate.
    """

    def write(batches: list[list[NewFact]]) -> list[float]:
        seconds = []
        for batch in batches:
            begun = time.perf_counter()
            append_facts(batch, now=timezone.now())
            seconds.append(time.perf_counter() - begun)
        connection.close()
        return seconds

    begun = time.perf_counter()
    with ThreadPoolExecutor(len(lots)) as pool:
        each = [taken for lot in pool.map(write, lots) for taken in lot]
    if then:
        then()
    told = sum(len(batch) for lot in lots for batch in lot)
    return told / (time.perf_counter() - begun), each


def _forget(seed: int) -> None:
    _run("alter table crm_fact disable trigger standing_facts_went")
    _run("delete from crm_fact where source = 'bench' and source_key like %s", [f"{seed}:%"])
    _run("alter table crm_fact enable trigger standing_facts_went")


def _seconds_until_counted(batch: list[NewFact]) -> float:
    """From the commit of a batch to an answer from the columns that counts it."""
    from analytics.events.live import LiveSource
    from analytics.events.refresh import refresh
    from analytics.funnels.engine import answer
    from analytics.funnels.question import Question, Step

    refresh(wait_seconds=600)
    question = Question((Step("friend_added"),), 86_400)
    known = answer(question, LiveSource()).steps[0].reached
    append_facts(batch, now=timezone.now())
    begun = time.perf_counter()
    while answer(question, LiveSource()).steps[0].reached == known:
        time.sleep(0.1)
    return time.perf_counter() - begun


def _run(statement: str, values: Any = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
