"""Facts by day: who did what at least how often, kept up by the facts' ids."""

from collections.abc import Iterator
from datetime import date

import numpy as np
from django.conf import settings
from django.db import connection
from psycopg import sql
from pyroaring import BitMap

from analytics.events.facts import numbers
from analytics.events.refresh import WritersBusy, settled_upto
from analytics.segments.fields import INDEXED_PROPERTIES
from analytics.segments.index.bitmaps import bitmap
from analytics.segments.index.dims import MAX_LEVEL
from crm.timeline.queries import KIND_IDS

BATCH = 2_000_000  # Fact ids taken in one pass.

_DAY = "(f.at at time zone {zone})::date - date '0001-01-01' + 1"
_PLAIN = f"""
select f.kind_id::bigint, 0::bigint, ({_DAY})::bigint, f.customer_id
from crm_fact f where f.id > {{low}} and f.id <= {{high}}
"""  # noqa: S608
_BY_WORD = f"""
select f.kind_id::bigint, w.id, ({_DAY})::bigint, f.customer_id
from crm_fact f
join analytics_segmentword w on w.dim = {{dim}} and w.word = f.properties ->> {{name}}
where f.id > {{low}} and f.id <= {{high}} and f.kind_id = {{kind}}
"""  # noqa: S608
_NEW_WORDS = """
insert into analytics_segmentword (dim, word)
select distinct {dim}, f.properties ->> {name} from crm_fact f
where f.id > {low} and f.id <= {high} and f.kind_id = {kind} and f.properties ->> {name} is not null
on conflict do nothing
"""


def word_dim(kind: str, name: str) -> str:
    """The dimension under which values of a fact's property are numbered."""
    return f"{kind}.{name}"


def add_facts(after: int, version: int) -> int:
    """Take in the facts that settled after this id; returns the id up to which all are in.

    Where writers are still busy nothing new is taken in: answers recheck those facts themselves.
    """
    try:
        upto = settled_upto(wait_seconds=1)
    except WritersBusy:
        return after
    for low in range(after, upto, BATCH):
        _add(low, min(low + BATCH, upto), version)
    return max(after, upto)


def _add(low: int, high: int, version: int) -> None:
    places = {"low": sql.Literal(low), "high": sql.Literal(high)}
    zone = sql.Literal(settings.CORP_TIME_ZONE)
    lots = [numbers(sql.SQL(_PLAIN).format(zone=zone, **places), *_NAMES)]
    for kind, names in INDEXED_PROPERTIES.items():
        for name in names:
            meant = places | {
                "dim": sql.Literal(word_dim(kind, name)),
                "name": sql.Literal(name),
                "kind": sql.Literal(KIND_IDS[kind]),
            }
            with connection.cursor() as cursor:
                cursor.execute(sql.SQL(_NEW_WORDS).format(**meant))
            lots.append(numbers(sql.SQL(_BY_WORD).format(zone=zone, **meant), *_NAMES))
    kinds, vals, ordinals, customers = (
        np.concatenate([lot[name] for lot in lots]) for name in _NAMES
    )
    if not len(kinds):
        return
    for kind, val, day, sets in _grouped(kinds, vals, ordinals, customers):
        _merge(kind, val, date.fromordinal(day), sets, version)


_NAMES = ("kind", "val", "day", "customer")


def _grouped(
    kinds: np.ndarray, vals: np.ndarray, ordinals: np.ndarray, customers: np.ndarray
) -> Iterator[tuple[int, int, int, list[BitMap]]]:
    """(kind, value, day, [who at least once, who at least twice, …]) of some facts."""
    order = np.lexsort((customers, ordinals, vals, kinds))
    kinds, vals, ordinals, customers = (
        column[order] for column in (kinds, vals, ordinals, customers)
    )
    changes = (kinds[1:] != kinds[:-1]) | (vals[1:] != vals[:-1]) | (ordinals[1:] != ordinals[:-1])
    starts = np.flatnonzero(np.r_[True, changes])
    for start, end in zip(starts, np.r_[starts[1:], len(kinds)], strict=True):
        ids, times = np.unique(customers[start:end], return_counts=True)
        sets = [bitmap(ids[times >= n]) for n in range(1, min(MAX_LEVEL, int(times.max())) + 1)]
        yield int(kinds[start]), int(vals[start]), int(ordinals[start]), sets


def _merge(kind: int, val: int, day: date, sets: list[BitMap], version: int) -> None:
    """Count the new facts on top of those of the same day that are in already."""
    with connection.cursor() as cursor:
        cursor.execute(
            "delete from analytics_segmentday where kind = %s and val = %s and day = %s"
            " returning level, bits",
            [kind, val, day],
        )
        stored = {level: BitMap.deserialize(bytes(bits)) for level, bits in cursor.fetchall()}
        levels = [stored.get(level, BitMap()) for level in range(1, MAX_LEVEL + 1)]
        for once in sets:
            for above in range(MAX_LEVEL - 1, 0, -1):
                levels[above] |= levels[above - 1] & once
            levels[0] |= once
        with cursor.copy(
            "copy analytics_segmentday (kind, val, day, level, version, bits) from stdin"
        ) as copy:
            for level, bits in enumerate(levels, start=1):
                if bits:
                    bits.run_optimize()
                    copy.write_row((kind, val, day, level, version, bits.serialize()))
