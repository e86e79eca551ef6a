"""Writing the bitmaps: all of them, or what changed."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np
import structlog
from django.conf import settings
from django.db import connection, transaction
from psycopg import sql
from pyroaring import BitMap

from analytics.events.facts import numbers
from analytics.events.refresh import newest_fact
from analytics.segments.index import days
from analytics.segments.index.bitmaps import bitmap
from analytics.segments.index.dims import (
    CHUNK_BITS,
    COLUMNS,
    CUSTOMER_COLUMN,
    EXISTS,
    NEW_WORDS,
    PAIRS,
    ROWS,
)
from analytics.segments.models import SegmentBits, SegmentDay, SegmentDirty, SegmentIndex
from crm.customers.models import Customer

_LOCK = 4_201_378
REBUILD_ABOVE = 0.2  # Share of changed customers above which everything is written anew.
log = structlog.get_logger(__name__)

Pairs = tuple[int, np.ndarray, np.ndarray]  # dimension, values, customers


def refresh(*, now: datetime, everything: bool = False) -> int | None:
    """Bring the bitmaps up to date; returns customers rewritten, None if another process does it.

    Readers go on with the version before until this one commits.
    """
    with transaction.atomic():
        if not _lock():
            return None
        state = SegmentIndex.objects.select_for_update().filter(pk=1).first()
        if state is None or everything:
            return _rebuild(state, now)
        changed = _take_changed()
        known = _newest_customer()
        if len(changed) > REBUILD_ABOVE * max(known, 1) and len(changed) > 1_000:
            return _rebuild(state, now)
        state.version = _next_version(state)
        if len(changed):
            _rewrite(changed, state.version)
        state.facts_upto = days.add_facts(state.facts_upto, state.version)
        state.refreshed_at = now
        state.save()
        return len(changed)


def is_refresh_due() -> bool:
    """Whether anybody changed, or any fact came, that the bitmaps do not know."""
    state = SegmentIndex.objects.filter(pk=1).first()
    if state is None:
        return Customer.unsafe_all.exists()
    return SegmentDirty.objects.exists() or newest_fact() > state.facts_upto


def _rebuild(state: SegmentIndex | None, now: datetime) -> int:
    """Everything anew, chunk by chunk."""
    state = state or SegmentIndex(pk=1, refreshed_at=now)
    state.version = _next_version(state)
    state.facts_upto = 0
    SegmentDirty.objects.all().delete()
    SegmentBits.objects.all().delete()
    SegmentDay.objects.all().delete()
    count = 0
    for chunk in range((_newest_customer() >> CHUNK_BITS) + 1):
        low, high = chunk << CHUNK_BITS, (chunk + 1) << CHUNK_BITS
        rows = []
        inside = sql.SQL("{column} >= {low} and {column} < {high}")
        for dim, values, customers in _values(inside, low=low, high=high):
            rows += [
                (dim, val, chunk, state.version, _packed(bits))
                for val, bits in _bitmaps(dim, values, customers)
            ]
            if dim == 1:
                count += len(customers)
        _insert(rows)
    state.facts_upto = days.add_facts(0, state.version)
    state.refreshed_at = now
    state.save()
    log.info("segments.rebuilt", customers=count, version=state.version)
    return count


def _rewrite(changed: np.ndarray, version: int) -> None:
    """Take the changed customers out of every bitmap of their chunks, put them where they are."""
    chunks = changed >> CHUNK_BITS
    for chunk in np.unique(chunks).tolist():
        inside = changed[chunks == chunk]
        gone = bitmap(inside)
        found: dict[tuple[int, int], BitMap] = {}
        for dim, values, customers in _values(
            sql.SQL("{column} = any({ids}::bigint[])"), ids=inside.tolist()
        ):
            for val, bits in _bitmaps(dim, values, customers):
                found[dim, val] = bits
        updated, emptied = [], []
        for dim, val, old in _stored(chunk):
            new = (old - gone) | found.pop((dim, val), BitMap())
            if new == old:
                continue
            (updated if new else emptied).append((dim, val, chunk, version, _packed(new)))
        _replace(chunk, updated, emptied)
        _insert([(d, v, chunk, version, _packed(bits)) for (d, v), bits in found.items()])


def _stored(chunk: int) -> Iterator[tuple[int, int, BitMap]]:
    rows = SegmentBits.objects.filter(chunk=chunk).values_list("dim", "val", "bits")
    for dim, val, bits in rows.iterator(chunk_size=500):
        yield dim, val, BitMap.deserialize(bytes(bits))


def _values(only: sql.SQL, **limits: Any) -> Iterator[Pairs]:
    """Every dimension's (value, customer) pairs of the customers meant."""
    literals = {name: sql.Literal(value) for name, value in limits.items()}

    def narrowed(query: str, column: str) -> sql.Composed:
        condition = only.format(column=sql.SQL(column), **literals)
        text = query.replace("%(zone)s", "{zone}")
        return sql.SQL(text).format(only=condition, zone=sql.Literal(settings.CORP_TIME_ZONE))

    with connection.cursor() as cursor:
        cursor.execute(narrowed(NEW_WORDS, "id"))
    names = ("customer", *(f"c{n}" for n in range(len(COLUMNS))))
    found = numbers(narrowed(ROWS, "crm_customer.id"), *names)
    if len(found["customer"]):
        for number, column in enumerate(COLUMNS):
            yield column.dim, found[f"c{number}"], found["customer"]
    for dim, query in PAIRS:
        found = numbers(narrowed(query, CUSTOMER_COLUMN.get(dim, "customer_id")), "val", "id")
        if len(found["id"]):
            yield dim, found["val"], found["id"]


_SLICED = {column.dim for column in COLUMNS if column.is_sliced}


def _bitmaps(dim: int, values: np.ndarray, customers: np.ndarray) -> Iterator[tuple[int, BitMap]]:
    """Bitmaps by value; for sliced dimensions by binary digit of value - 1, none being 0."""
    ids = customers.astype(np.uint32)
    if dim in _SLICED:
        has = values > 0
        digits, ids = np.maximum(values[has] - 1, 0), ids[has]
        if len(ids):
            yield EXISTS, bitmap(ids)
            for bit in range(int(digits.max()).bit_length()):
                chosen = ids[(digits >> bit) & 1 == 1]
                if len(chosen):
                    yield bit, bitmap(chosen)
        return
    order = np.argsort(values, kind="stable")
    values, ids = values[order], ids[order]
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
    for start, end in zip(starts, np.r_[starts[1:], len(values)], strict=True):
        yield int(values[start]), bitmap(ids[start:end])


def _packed(bits: BitMap) -> bytes:
    bits.run_optimize()
    return bits.serialize()


def _insert(rows: list[tuple[int, int, int, int, bytes]]) -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "copy analytics_segmentbits (dim, val, chunk, version, bits) from stdin"
        ) as copy,
    ):
        for row in rows:
            copy.write_row(row)


def _replace(chunk: int, updated: list[tuple], emptied: list[tuple]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "delete from analytics_segmentbits where dim = %s and val = %s and chunk = %s",
            [(dim, val, chunk) for dim, val, *_rest in [*updated, *emptied]],
        )
    _insert(updated)


def _take_changed() -> np.ndarray:
    """Customers who changed, and forget that they did: this transaction rewrites them.

    Only rows that are visible now are taken; a change that commits later keeps its row.
    """
    with connection.cursor() as cursor:
        cursor.execute("delete from analytics_segmentdirty returning customer_id")
        return np.unique(np.array([pk for (pk,) in cursor.fetchall()], np.int64))


def _newest_customer() -> int:
    with connection.cursor() as cursor:
        cursor.execute("select coalesce(max(id), 0) from crm_customer")
        return cursor.fetchone()[0]


def _next_version(state: SegmentIndex) -> int:
    """Microseconds: never seen before, also by a process that remembers a database set back."""
    return max(state.version + 1, time.time_ns() // 1_000)


def _lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_xact_lock(%s)", [_LOCK])
        return cursor.fetchone()[0]
