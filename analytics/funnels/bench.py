"""Funnel of six ordered steps in 30 days, by channel and week of entry: our columns and chDB.

Data: customers with log-normal activity over 90 days, 14 kinds of events, six of them the steps in
journeys that also happen out of order. No two events of a customer share a second, a re-added
friend comes back within the week, and no step repeats: there `windowFunnel` means what we mean,
and the counts of every cell must be equal. Each side runs in a process of its own.
"""

import json
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from django.core.management.base import CommandParser

NAME = "funnel"
HELP = "ad hoc funnel over events: columns against chDB windowFunnel"
STEPS = tuple(f"step_{n}" for n in range(1, 7))
WINDOW = 30 * 86_400
SEED = 20_261_122
EVENTS_PER_CUSTOMER = 9.2
BUCKET = 1 << 17
# Monday 2026-06-01 00:00 in Shanghai.
START = int(datetime(2026, 5, 31, 16, tzinfo=UTC).timestamp())
DAYS, WEEK = 91, 7 * 86_400
CHANNELS, KINDS = 20, 14

_CHDB_TABLE = """
create table ev (customer UInt32, ts DateTime codec(Delta, ZSTD), event UInt8, channel UInt8)
engine = MergeTree order by (event, customer, ts)
"""
_CHDB_LOAD = """
insert into ev select * from
file('{path}', 'RowBinary', 'customer UInt32, ts DateTime, event UInt8, channel UInt8')
"""
_CHDB_FUNNEL = """
select ch, intDiv(toUnixTimestamp(t1) - {start}, 604800) as week, lvl, count() from (
    select customer, any(channel) as ch, minIf(ts, event = 1) as t1,
           windowFunnel({window})(ts, event = 1, event = 2, event = 3, event = 4, event = 5,
                                  event = 6) as lvl
    from ev where event <= 6 group by customer having lvl > 0)
group by ch, week, lvl settings max_threads = {threads}
"""


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("--events", type=int, default=10_000_000, help="default 10000000")
    parser.add_argument("--runs", type=int, default=5, help="warm runs of each side, default 5")
    parser.add_argument("--without-rival", action="store_true", help="measure our side alone")


def run(options: dict[str, Any]) -> dict[str, Any]:
    """Make the data, ask both, compare."""
    customers = max(1, round(options["events"] / EVENTS_PER_CUSTOMER))
    with tempfile.TemporaryDirectory(prefix="changke-bench-") as folder:
        path = Path(folder)
        built = _in_a_process(_build, path, customers, not options["without_rival"])
        ours = _in_a_process(_ask_ours, path, options["runs"])
        rival = {} if options["without_rival"] else _in_a_process(_ask_chdb, path, options["runs"])
    measured = {
        "wall_s": ours["wall_s"],
        "cpu_s": ours["cpu_s"],
        "cold_s": ours["cold_s"],
        "first_load_s": ours["first_load_s"],
        "peak_mb": ours["peak_mb"],
        "bytes_per_event": built["bytes_per_event"],
        "write_s": built["write_s"],
        "write_peak_mb": built["peak_mb"],
        "reached": ours["reached"],
    }
    ratios = {
        "ours_over_bare_kernel": round(ours["wall_s"] / ours["bare_wall_s"], 2),
        "ours_cpu_over_bare_kernel": round(ours["cpu_s"] / ours["bare_cpu_s"], 2),
    }
    if rival:
        measured["equal"] = ours["cells"] == rival["cells"]
        measured["cells_compared"] = len(ours["cells"])
        ratios["chdb_over_ours"] = round(rival["wall_s"] / ours["wall_s"], 2)
        ratios["chdb_cpu_over_ours"] = round(rival["cpu_s"] / ours["cpu_s"], 2)
    return {
        "scale": {
            "events": built["events"],
            "customers": customers,
            "steps": len(STEPS),
            "window_days": 30,
            "cores": len(os.sched_getaffinity(0)),
            "runs": options["runs"],
        },
        "measured": measured,
        "rivals": {
            "bare_kernel": {"wall_s": ours["bare_wall_s"], "cpu_s": ours["bare_cpu_s"]},
            **({"chdb": {k: rival[k] for k in _RIVAL_FIGURES}} if rival else {}),
        },
        "ratios": ratios,
        "goals": {
            "equal": True,
            "chdb_over_ours": ">= 3",
            "ours_over_bare_kernel": "<= 2",
            "bytes_per_event": "<= 6",
            "peak_mb": "< 2048",
        },
    }


_RIVAL_FIGURES = ("wall_s", "cpu_s", "cold_s", "peak_mb", "bytes_per_event", "version")


def journeys(number: int, customers: int) -> tuple[np.ndarray, ...]:
    """(customer, second, kind, channel) of one bucket's events, sorted by customer and time."""
    random = np.random.default_rng([SEED, number])
    ids = np.arange(1, customers + 1) + number * BUCKET
    channel = (random.beta(1.2, 3, customers) * CHANNELS).astype(np.int64) + 1
    rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    entered = random.random(customers) < 0.65
    at = START + random.integers(0, DAYS * 86_400, customers)
    # The chance to go on differs by channel; gaps of days make the window matter.
    goes_on = np.clip(0.62 + 0.02 * (channel - 8), 0.3, 0.9)
    walking = entered
    for kind in range(1, 7):
        rows.append((ids[walking], at[walking], np.full(walking.sum(), kind)))
        at = at + 1 + random.exponential(6 * 86_400, customers).astype(np.int64)
        walking = walking & (random.random(customers) < goes_on)
    again = entered & (random.random(customers) < 0.05)
    first = rows[0][1][np.searchsorted(ids[entered], ids[again])]
    week_end = first + WEEK - (first - START) % WEEK - 200
    back = first + (random.random(again.sum()) * np.maximum(week_end - first, 0)).astype(np.int64)
    rows.append((ids[again], back, np.ones(again.sum(), np.int64)))
    # Median 4 and a long tail; other kinds, and steps out of order, but never a new entry.
    noise = np.minimum(random.lognormal(1.32, 1.2, customers), 3_000).astype(np.int64)
    total = int(noise.sum())
    rows.append(
        (
            np.repeat(ids, noise),
            START + random.integers(0, DAYS * 86_400, total),
            random.integers(2, KINDS + 1, total),
        )
    )
    customer, second, kind = (np.concatenate(column) for column in zip(*rows, strict=True))
    order = np.lexsort((second, customer))
    customer, second, kind = customer[order], second[order], kind[order]
    return customer, _one_at_a_time(customer, second), kind, channel[customer - ids[0]]


def _one_at_a_time(customer: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Move events of the same second apart, keeping their order."""
    place = np.arange(len(customer))
    # Offsetting each customer by more than the whole span keeps the running maximum inside it.
    lifted = second - place + customer * (1 << 33)
    return np.maximum.accumulate(lifted) + place - customer * (1 << 33)


def _bucket_sizes(customers: int) -> Iterator[tuple[int, int]]:
    for number in range(-(-customers // BUCKET)):
        yield number, min(BUCKET, customers - number * BUCKET)


def _build(path: Path, customers: int, with_rival: bool) -> dict[str, Any]:
    """Write the snapshot as a refresh would, and the same rows for the rival."""
    from analytics.events.columns import Dictionary, Events, tabulated
    from analytics.events.snapshots import Writer, size_on_disk

    writer = Writer(path / "columns", "bench")
    kinds = Dictionary(np.arange(1, KINDS + 1), 0)
    dictionaries = {"channel": Dictionary(np.arange(1, CHANNELS + 1), 1)}
    spent = 0.0
    with (path / "rows.bin").open("wb") as rows:
        for number, size in _bucket_sizes(customers):
            customer, second, kind, channel = journeys(number, size)
            if with_rival:
                _row_binary(customer, second, kind, channel).tofile(rows)
            carried = np.where(kind == 1, channel, 0)
            started = time.perf_counter()
            events = Events(customer, second * 1_000_000, kind, {"channel": carried})
            writer.write(number, tabulated(events, kinds, dictionaries))
            spent += time.perf_counter() - started
    now = datetime.now(UTC)
    snapshot = writer.publish(
        database="bench",
        upto=0,
        data_time=now,
        built_at=now,
        kinds=kinds,
        dictionaries=dictionaries,
    )
    return {
        "events": snapshot.events,
        "bytes_per_event": round(size_on_disk(snapshot) / snapshot.events, 3),
        "write_s": round(spent, 2),
        "peak_mb": _peak_mb(),
    }


def _row_binary(*columns: np.ndarray) -> np.ndarray:
    types = [("customer", "<u4"), ("ts", "<u4"), ("event", "u1"), ("channel", "u1")]
    rows = np.empty(len(columns[0]), types)
    for (name, _type), values in zip(types, columns, strict=True):
        rows[name] = values
    return rows


def _ask_ours(path: Path, runs: int) -> dict[str, Any]:
    """The product's engine on the mapped snapshot, and the fold alone on arrays in memory."""
    from analytics.events.folding import Part, Plan, fold_parts
    from analytics.events.snapshots import current
    from analytics.events.source import TableSource
    from analytics.events.warmup import warm_up
    from analytics.funnels.engine import answer, prepare
    from analytics.funnels.question import Question, Step

    started = time.perf_counter()
    warm_up()
    first_load = time.perf_counter() - started
    question = Question(tuple(Step(name) for name in STEPS), WINDOW, breakdown=("channel", "week"))
    kinds = {name: number for number, name in enumerate(STEPS, start=1)}
    _forget_pages(path / "columns")

    def ask() -> Any:
        snapshot = current(path / "columns")
        return answer(question, TableSource(snapshot.buckets, kinds, snapshot.span))

    cold, _cpu, found = _timed(ask)
    warm = [_timed(ask)[:2] for _ in range(runs)]
    cells = _cells_of(found)
    peak = _peak_mb()
    buckets = [_in_memory(bucket) for bucket in current(path / "columns").buckets]
    plan = prepare(question, TableSource(buckets, kinds, (START, START + DAYS * 86_400))).plans[0]
    parts, plans = [Part(b) for b in buckets], [Plan(plan.masks, plan.settings)] * len(buckets)

    def bare() -> None:
        fold_parts(parts, plans, lambda block: None)

    bare()
    alone = [_timed(bare)[:2] for _ in range(runs)]
    return {
        "first_load_s": round(first_load, 2),
        "cold_s": round(cold, 3),
        "wall_s": round(statistics.median(wall for wall, _ in warm), 4),
        "cpu_s": round(statistics.median(cpu for _, cpu in warm), 4),
        "bare_wall_s": round(statistics.median(wall for wall, _ in alone), 4),
        "bare_cpu_s": round(statistics.median(cpu for _, cpu in alone), 4),
        "peak_mb": peak,
        "reached": [step.reached for step in found.steps],
        "cells": cells,
    }


def _cells_of(answer: Any) -> dict[str, list[int]]:
    """reached per step by "channel week"."""
    found = {}
    for cell in answer.cells:
        channel, monday = (value.key for value in cell.values)
        week = (datetime.fromisoformat(monday + "T00:00+08:00").timestamp() - START) // WEEK
        found[f"{channel} {int(week)}"] = [step.reached for step in cell.steps]
    return found


def _in_memory(columns: Any) -> Any:
    from dataclasses import replace

    from analytics.events.columns import sealed

    names = ("offsets", "seconds", "kinds", "micro_rows", "micros")
    return replace(columns, **{name: sealed(np.array(getattr(columns, name))) for name in names})


def _ask_chdb(path: Path, runs: int) -> dict[str, Any]:
    """The best known form of the question in ClickHouse's own engine."""
    import chdb
    from chdb import session

    database = session.Session(str(path / "chdb"))
    database.query(_CHDB_TABLE)
    database.query(_CHDB_LOAD.format(path=path / "rows.bin"))
    database.query("optimize table ev final")
    (path / "rows.bin").unlink()
    _forget_pages(path / "chdb")
    threads = len(os.sched_getaffinity(0))
    query = _CHDB_FUNNEL.format(start=START, window=WINDOW, threads=threads)

    def ask() -> Any:
        return json.loads(database.query(query, "JSONCompact").bytes())["data"]

    cold, _cpu, rows = _timed(ask)
    warm = [_timed(ask)[:2] for _ in range(runs)]
    size = database.query(
        "select sum(bytes_on_disk) / sum(rows) from system.parts where table = 'ev' and active",
        "CSV",
    )
    cells: dict[str, list[int]] = {}
    for channel, week, level, count in rows:
        reached = cells.setdefault(f"{channel} {week}", [0] * len(STEPS))
        for step in range(int(level)):
            reached[step] += int(count)
    return {
        "cold_s": round(cold, 3),
        "wall_s": round(statistics.median(wall for wall, _ in warm), 4),
        "cpu_s": round(statistics.median(cpu for _, cpu in warm), 4),
        "peak_mb": _peak_mb(),
        "bytes_per_event": round(float(str(size)), 3),
        "version": chdb.__version__,
        "cells": cells,
    }


def _timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Wall and CPU seconds of a call, and what it returned."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return time.perf_counter() - wall, time.process_time() - cpu, result


def _forget_pages(folder: Path) -> None:
    """Let the next read come from disk."""
    os.sync()
    for file in folder.rglob("*"):
        if file.is_file():
            handle = os.open(file, os.O_RDONLY)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def _peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _in_a_process(work: Callable[..., dict[str, Any]], *args: Any) -> dict[str, Any]:
    """Run in a fresh process, so that peaks of memory are each side's own."""
    context = multiprocessing.get_context("spawn")
    answers = context.SimpleQueue()
    process = context.Process(target=_work, args=(answers, work, args))
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError(f"{work.__name__} ended with {process.exitcode}")
    return json.loads(answers.get())


def _work(answers: Any, work: Callable[..., dict[str, Any]], args: tuple[Any, ...]) -> None:
    import django

    django.setup()
    answers.put(json.dumps(work(*args)))
