"""Copying facts to the warehouse and keeping them there: incremental, harmless to repeat.

Facts go in order of their numbers up to one below which nothing can appear any more, each block
whole; where a load died, the next goes on after the last block. A block sent twice is one by the
table's key. `verify` compares every bucket of customers with PostgreSQL and puts right what
differs: facts erased there are deleted here.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection

from analytics.clickhouse import tables
from analytics.clickhouse.connection import Warehouse
from analytics.events.facts import IN_RANGE
from analytics.events.refresh import settled_upto
from crm.datasets.models import Dataset

BLOCK = 20_000
BUCKET_BITS = 14
FACT_COLUMNS = (
    "dataset", "customer", "at", "id", "recorded", "kind", "agent", "channel", "amount",
    "properties",
)  # fmt: skip
UNIT_COLUMNS = ("dataset", "customer", "channel", "stage", "version")
_MICROS = "(extract(epoch from {}) * 1000000)::bigint"
_PROPERTIES = """
(select coalesce(jsonb_object_agg(key, value), '{}')::text
 from jsonb_each_text(properties) where value is not null)
"""
_LIVE = f"""
select customer_id, {_MICROS.format("at")}, id, {_MICROS.format("recorded_at")}, kind_id,
       coalesce(agent_id::text, ''), coalesce(channel_id::text, ''), amount_cents, {_PROPERTIES}
from crm_fact where {IN_RANGE}
"""
_OF_DATASET = f"""
select unit_id, {_MICROS.format("at")}, id, {_MICROS.format("recorded_at")}, kind_id,
       coalesce(properties ->> 'agent', ''), coalesce(properties ->> 'channel', ''), null::bigint,
       {_PROPERTIES}
from crm_datasetfact where dataset_id = %(dataset)s
"""
_UNITS = f"""
select id, coalesce(channel_id::text, ''), stage, {_MICROS.format("updated_at")}
from crm_customer where updated_at >= to_timestamp(%(since)s / 1000000.0)
"""
# Per bucket: how many facts, and a number that differs when another fact is among them.
_SUMS = {
    True: (
        f"select customer_id >> {BUCKET_BITS}, count(*), sum(id)::text from crm_fact"
        f" where id <= %(upto)s and {IN_RANGE} group by 1"
    ),
    False: (
        f"select unit_id >> {BUCKET_BITS}, count(*), sum(id)::text from crm_datasetfact"
        " where dataset_id = %(dataset)s and id <= %(upto)s group by 1"
    ),
}


@dataclass
class Loaded:
    """What one load did; `upto` is the newest fact that the warehouse holds."""

    facts: int = 0
    units: int = 0
    deleted: int = 0
    repaired_buckets: int = 0
    upto: int = 0


def load(
    house: Warehouse,
    dataset: Dataset | None = None,
    *,
    verify: bool = True,
    wait_seconds: float = 60,
) -> Loaded:
    """Bring over what is new, of the live facts or of one dataset; raises WritersBusy."""
    tables.create(house)
    number, done = dataset.pk if dataset else 0, Loaded()
    upto = _newest(dataset) if dataset else settled_upto(wait_seconds)
    done.upto = _held(house, number)
    for block in _blocks(dataset, f"id > {done.upto} and id <= {upto}"):
        house.insert("facts", FACT_COLUMNS, block)
        done.facts, done.upto = done.facts + len(block), block[-1][3]
    if verify:
        _repair(house, dataset, done)
    if dataset is None:
        if verify:
            _forget_records(house)
        done.units = _load_units(house)
    return done


def forget(house: Warehouse, number: int) -> None:
    """Delete a dataset from the warehouse; harmless where it was never loaded."""
    tables.create(house)
    for table in ("facts", "units"):
        tables.delete(house, table, f"dataset = {number}")


def _held(house: Warehouse, number: int) -> int:
    [[newest]] = house.rows(f"select max(id) from facts where dataset = {number}")
    return int(newest)


def _newest(dataset: Dataset) -> int:
    last = dataset.facts.order_by("-pk").values_list("pk", flat=True).first()
    return last or 0


def _blocks(dataset: Dataset | None, where: str) -> Iterator[list[list[Any]]]:
    """Rows for the warehouse in order of their numbers, some thousands at a time."""
    select = _OF_DATASET if dataset else _LIVE
    number = dataset.pk if dataset else 0
    with connection.chunked_cursor() as cursor:
        cursor.execute(f"{select} and {where} order by id", {"dataset": number})
        while rows := cursor.fetchmany(BLOCK):
            yield [[number, *row[:-1], json.loads(row[-1])] for row in rows]


def _repair(house: Warehouse, dataset: Dataset | None, done: Loaded) -> None:
    """Load buckets again that do not hold exactly the facts of PostgreSQL."""
    number = dataset.pk if dataset else 0
    with connection.cursor() as cursor:
        cursor.execute(_SUMS[dataset is None], {"dataset": number, "upto": done.upto})
        expected = {int(row[0]): (int(row[1]), int(row[2])) for row in cursor.fetchall()}
    found = house.rows(
        f"select bitShiftRight(customer, {BUCKET_BITS}) as b, count(), toString(sum(id))"
        f" from facts final where dataset = {number} group by b"
    )
    held = {int(bucket): (int(n), int(total)) for bucket, n, total in found}
    column = "unit_id" if dataset else "customer_id"
    for bucket in sorted(expected.keys() | held.keys()):
        if expected.get(bucket) == held.get(bucket):
            continue
        low, high = bucket << BUCKET_BITS, (bucket + 1) << BUCKET_BITS
        tables.delete(
            house, "facts", f"dataset = {number} and customer >= {low} and customer < {high}"
        )
        where = f"{column} >= {low} and {column} < {high} and id <= {done.upto}"
        for block in _blocks(dataset, where):
            house.insert("facts", FACT_COLUMNS, block)
        lost = held.get(bucket, (0, 0))[0] - expected.get(bucket, (0, 0))[0]
        done.deleted, done.repaired_buckets = done.deleted + max(0, lost), done.repaired_buckets + 1


def _forget_records(house: Warehouse) -> None:
    """Where the warehouse holds records of people who are gone here, all are brought over anew."""
    [[held]] = house.rows("select count() from units final where dataset = 0")
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from crm_customer")
        [known] = cursor.fetchone()
    if int(held) > known:
        tables.delete(house, "units", "dataset = 0")


def _load_units(house: Warehouse) -> int:
    """What customers' records say: all that changed since the last time."""
    [[since]] = house.rows("select max(version) from units where dataset = 0")
    sent = 0
    with connection.chunked_cursor() as cursor:
        cursor.execute(_UNITS, {"since": int(since)})
        while rows := cursor.fetchmany(BLOCK):
            house.insert("units", UNIT_COLUMNS, [[0, *row] for row in rows])
            sent += len(rows)
    return sent
