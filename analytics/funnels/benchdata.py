"""Made-up journeys for benches of the funnel, as a snapshot of ours and as a table of the rival.

Customers with log-normal activity over 90 days, 14 kinds of events, six of them the steps in
journeys that also happen out of order. No two events of a customer share a second, a re-added
friend comes back within the week, and no step repeats: there `windowFunnel` means what we mean.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from analytics.events.benching import peak_mb

STEPS = tuple(f"step_{n}" for n in range(1, 7))
WINDOW = 30 * 86_400
SEED = 20_261_122
EVENTS_PER_CUSTOMER = 9.2
BUCKET = 1 << 17
# Monday 2026-06-01 00:00 in Shanghai.
START = int(datetime(2026, 5, 31, 16, tzinfo=UTC).timestamp())
DAYS, WEEK = 91, 7 * 86_400
CHANNELS, KINDS = 20, 14

CHDB_TABLE = """
create table ev (customer UInt32, ts DateTime codec(Delta, ZSTD), event UInt8, channel UInt8)
engine = MergeTree order by (event, customer, ts)
"""
CHDB_LOAD = """
insert into ev select * from
file('{path}', 'RowBinary', 'customer UInt32, ts DateTime, event UInt8, channel UInt8')
"""


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


def build(path: Path, customers: int, with_rival: bool) -> dict[str, Any]:
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
        "peak_mb": peak_mb(),
    }


def _row_binary(*columns: np.ndarray) -> np.ndarray:
    types = [("customer", "<u4"), ("ts", "<u4"), ("event", "u1"), ("channel", "u1")]
    rows = np.empty(len(columns[0]), types)
    for (name, _type), values in zip(types, columns, strict=True):
        rows[name] = values
    return rows


def loaded(path: Path) -> Any:
    """The rival's table, filled from the rows that `build` wrote; they are deleted then."""
    from chdb import session

    database = session.Session(str(path / "chdb"))
    database.query(CHDB_TABLE)
    database.query(CHDB_LOAD.format(path=path / "rows.bin"))
    database.query("optimize table ev final")
    (path / "rows.bin").unlink()
    return database
