"""Funnel of six ordered steps in 30 days, by channel and week of entry: our columns and chDB.

Each side runs in a process of its own; the counts of every cell must be equal.
"""

import json
import os
import statistics
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from django.core.management.base import CommandParser

from analytics.events.benching import forget_pages, in_a_process, peak_mb, timed
from analytics.funnels.benchdata import (
    DAYS,
    EVENTS_PER_CUSTOMER,
    START,
    STEPS,
    WEEK,
    WINDOW,
    build,
    loaded,
)

NAME = "funnel"
HELP = "ad hoc funnel over events: columns against chDB windowFunnel"
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
        built = in_a_process(build, path, customers, not options["without_rival"])
        ours = in_a_process(_ask_ours, path, options["runs"])
        rival = {} if options["without_rival"] else in_a_process(_ask_chdb, path, options["runs"])
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
            "chdb_over_ours": ">= 4",
            "chdb_cpu_over_ours": ">= 4",
            "ours_over_bare_kernel": "<= 2",
            "bytes_per_event": "<= 6",
            "peak_mb": "< 2048",
        },
    }


_RIVAL_FIGURES = ("wall_s", "cpu_s", "cold_s", "peak_mb", "bytes_per_event", "version")


def _ask_ours(path: Path, runs: int) -> dict[str, Any]:
    """The product's engine on the mapped snapshot, and the fold alone on arrays in memory."""
    from analytics.events.columns import Part
    from analytics.events.folding import Plan, fold_parts
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
    forget_pages(path / "columns")

    def ask() -> Any:
        snapshot = current(path / "columns")
        return answer(question, TableSource(snapshot.buckets, kinds, snapshot.span))

    cold, _cpu, found = timed(ask)
    warm = [timed(ask)[:2] for _ in range(runs)]
    cells = _cells_of(found)
    peak = peak_mb()
    buckets = [_in_memory(bucket) for bucket in current(path / "columns").buckets]
    plan = prepare(question, TableSource(buckets, kinds, (START, START + DAYS * 86_400))).plans[0]
    parts, plans = [Part(b) for b in buckets], [Plan(plan.masks, plan.settings)] * len(buckets)

    def bare() -> None:
        fold_parts(parts, plans, lambda block: None)

    bare()
    alone = [timed(bare)[:2] for _ in range(runs)]
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

    database = loaded(path)
    forget_pages(path / "chdb")
    threads = len(os.sched_getaffinity(0))
    query = _CHDB_FUNNEL.format(start=START, window=WINDOW, threads=threads)

    def ask() -> Any:
        return json.loads(database.query(query, "JSONCompact").bytes())["data"]

    cold, _cpu, rows = timed(ask)
    warm = [timed(ask)[:2] for _ in range(runs)]
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
        "peak_mb": peak_mb(),
        "bytes_per_event": round(float(str(size)), 3),
        "version": chdb.__version__,
        "cells": cells,
    }
