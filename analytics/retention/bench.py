"""Weekly retention of weekly cohorts: our columns and the best SQL found for chDB.

Data: a year of events of 14 kinds. Customers are born in the first 26 weeks (kind 1, now and then
again later), come back with falling probability (kind 2), and do much else. Both sides count the
same table of cohorts by rolling weeks after the birth day, and every cell must be equal. Each side
runs in a process of its own.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from django.core.management.base import CommandParser

from analytics.events.benching import forget_pages, in_a_process, medians, peak_mb, timed

NAME = "retention"
HELP = "26 weekly cohorts by 26 weeks: columns against the best chDB SQL"
SEED = 20_261_125
EVENTS_PER_CUSTOMER = 9.4
BUCKET = 1 << 17
WEEKS, DAY = 26, 86_400
KINDS = 14
# Monday 2025-06-02 00:00 in Shanghai.
START = int(datetime(2025, 6, 1, 16, tzinfo=UTC).timestamp())
SPAN = 2 * WEEKS * 7 * DAY

_TABLE = """
create table ev (customer UInt32, ts DateTime('Asia/Shanghai') codec(Delta, ZSTD), event UInt8)
engine = MergeTree order by (event, customer, ts)
"""
_LOAD = """
insert into ev select * from
file('{path}', 'RowBinary', 'customer UInt32, ts DateTime(\\'Asia/Shanghai\\'), event UInt8')
"""
# Two shapes; the quicker one counts. Days are local days, weeks roll from the birth day.
_QUERIES = {
    "bits": """
select intDiv(birth - {monday}, 7) as cohort, j, countIf(bitTest(bits, j)) from (
    select customer, minIf(toInt32(toDate(ts)), event = 1) as birth,
           groupArrayIf(toInt32(toDate(ts)), event = 2) as days,
           arrayFold((acc, day) -> bitOr(acc, bitShiftLeft(toUInt64(1),
               toUInt8(least(intDiv(day - birth, 7), 63)))), days, toUInt64(0)) as bits
    from ev where event <= 2 group by customer having birth > 0)
array join range(26) as j group by cohort, j settings max_threads = {threads}
""",
    "join": """
select intDiv(birth - {monday}, 7) as cohort, j, uniqExact(customer) from (
    select customer, birth, intDiv(day - birth, 7) as j from
        (select customer, toInt32(toDate(ts)) as day from ev where event = 2) as back
        inner join (select customer, min(toInt32(toDate(ts))) as birth from ev where event = 1
                    group by customer) as born using customer)
where j < 26 group by cohort, j settings max_threads = {threads}
""",
}


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("--events", type=int, default=10_000_000, help="default 10000000")
    parser.add_argument("--runs", type=int, default=5, help="warm runs of each side, default 5")


def run(options: dict[str, Any]) -> dict[str, Any]:
    """Make the data, ask both, compare."""
    customers = max(1, round(options["events"] / EVENTS_PER_CUSTOMER))
    with tempfile.TemporaryDirectory(prefix="changke-bench-") as folder:
        path = Path(folder)
        built = in_a_process(_build, path, customers)
        ours = in_a_process(_ask_ours, path, options["runs"])
        rival = in_a_process(_ask_chdb, path, options["runs"])
    best = min(rival["queries"], key=lambda name: rival["queries"][name]["wall_s"])
    chdb = rival["queries"][best]
    return {
        "scale": {
            "events": built["events"],
            "customers": customers,
            "cohorts": WEEKS,
            "weeks": WEEKS,
            "cores": len(os.sched_getaffinity(0)),
            "runs": options["runs"],
        },
        "measured": {
            "equal": ours["cells"] == rival["cells"],
            "cells_compared": len(ours["cells"]),
            **{name: ours[name] for name in ("wall_s", "cpu_s", "cold_s", "peak_mb", "week_1")},
        },
        "rivals": {"chdb": {"best": best, "peak_mb": rival["peak_mb"], **rival["queries"]}},
        "ratios": {
            "chdb_over_ours": round(chdb["wall_s"] / ours["wall_s"], 2),
            "chdb_cpu_over_ours": round(chdb["cpu_s"] / ours["cpu_s"], 2),
        },
        "goals": {"equal": True, "chdb_over_ours": ">= 5"},
    }


def stories(number: int, customers: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(customer, second, kind) of one bucket's events, sorted by customer and time."""
    random = np.random.default_rng([SEED, number])
    ids = np.arange(1, customers + 1) + number * BUCKET
    born = random.random(customers) < 0.7
    birth = START + random.integers(0, WEEKS * 7 * DAY, customers)
    rows = [(ids[born], birth[born], np.ones(born.sum(), np.int64))]
    again = born & (random.random(customers) < 0.05)
    later = birth[again] + random.integers(DAY, WEEKS * 7 * DAY, again.sum())
    rows.append((ids[again], later, np.ones(again.sum(), np.int64)))
    visits = np.where(born, random.poisson(2.2, customers), 0)
    wait = DAY + random.exponential(45 * DAY, int(visits.sum())).astype(np.int64)
    back = np.repeat(birth, visits) + wait
    kept = back < START + SPAN
    rows.append((np.repeat(ids, visits)[kept], back[kept], np.full(int(kept.sum()), 2, np.int64)))
    noise = np.minimum(random.lognormal(1.32, 1.2, customers), 3_000).astype(np.int64)
    total = int(noise.sum())
    rows.append(
        (
            np.repeat(ids, noise),
            START + random.integers(0, SPAN, total),
            random.integers(3, KINDS + 1, total),
        )
    )
    customer, second, kind = (np.concatenate(column) for column in zip(*rows, strict=True))
    order = np.lexsort((second, customer))
    return customer[order], second[order], kind[order]


def _bucket_sizes(customers: int) -> Iterator[tuple[int, int]]:
    for number in range(-(-customers // BUCKET)):
        yield number, min(BUCKET, customers - number * BUCKET)


def _build(path: Path, customers: int) -> dict[str, Any]:
    """Write the snapshot as a refresh would, and the same rows for the rival."""
    from analytics.events.columns import Dictionary, Events, tabulated
    from analytics.events.snapshots import Writer

    writer = Writer(path / "columns", "bench")
    kinds = Dictionary(np.arange(1, KINDS + 1), 0)
    with (path / "rows.bin").open("wb") as file:
        for number, size in _bucket_sizes(customers):
            customer, second, kind = stories(number, size)
            rows = np.empty(len(customer), [("customer", "<u4"), ("ts", "<u4"), ("event", "u1")])
            rows["customer"], rows["ts"], rows["event"] = customer, second, kind
            rows.tofile(file)
            events = Events(customer, second * 1_000_000, kind, {})
            writer.write(number, tabulated(events, kinds, {}))
    now = datetime.now(UTC)
    snapshot = writer.publish(
        database="bench", upto=0, data_time=now, built_at=now, kinds=kinds, dictionaries={}
    )
    return {"events": snapshot.events}


def _ask_ours(path: Path, runs: int) -> dict[str, Any]:
    """The product's engine on the mapped snapshot."""
    from analytics.events.snapshots import current
    from analytics.events.source import TableSource
    from analytics.retention.engine import answer
    from analytics.retention.parsing import retention_from

    question = retention_from({"birth": "born", "return": "back", "to": "2025-11-30"})
    kinds = {"born": 1, "back": 2}

    def ask() -> Any:
        snapshot = current(path / "columns")
        return answer(question, TableSource(snapshot.buckets, kinds, (START, START + SPAN)))

    ask()  # Loads the compiled kernel.
    forget_pages(path / "columns")
    cold, _cpu, found = timed(ask)
    warm = [timed(ask)[:2] for _ in range(runs)]
    cells = {
        f"{cohort} {week}": row.cells[week].x
        for cohort, row in enumerate(found.cohorts)
        for week in range(WEEKS)
        if row.cells[week].x
    }
    week_1 = found.totals[1].as_json()
    return {**medians(warm), "cold_s": round(cold, 3), "peak_mb": peak_mb(), "cells": cells} | {
        "week_1": week_1
    }


def _ask_chdb(path: Path, runs: int) -> dict[str, Any]:
    """Both shapes of the question in ClickHouse's own engine; they must agree."""
    import chdb
    from chdb import session

    database = session.Session(str(path / "chdb"))
    database.query(_TABLE)
    database.query(_LOAD.format(path=path / "rows.bin"))
    database.query("optimize table ev final")
    (path / "rows.bin").unlink()
    threads = len(os.sched_getaffinity(0))
    monday = (START + 8 * 3_600) // DAY
    found: dict[str, Any] = {}
    tables = []
    for name, text in _QUERIES.items():
        query = text.format(monday=monday, threads=threads)

        def ask(query: str = query) -> Any:
            return json.loads(database.query(query, "JSONCompact").bytes())["data"]

        cold, _cpu, rows = timed(ask)
        found[name] = medians([timed(ask)[:2] for _ in range(runs)]) | {"cold_s": round(cold, 3)}
        tables.append({f"{cohort} {week}": int(n) for cohort, week, n in rows if int(n)})
    if tables[0] != tables[1]:
        raise RuntimeError("the two queries disagree")
    version = {"version": chdb.__version__}
    return {"queries": found, "cells": tables[0], "peak_mb": peak_mb()} | version
