"""Reading bitmaps, those that did not change since the last question from this process's memory."""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from django.conf import settings
from django.db import connection
from pyroaring import BitMap

Key = tuple[int, int]  # dimension, value
DayKey = tuple[int, int, date, int]  # kind, value, day, level

# One statement, one snapshot: all values are of the same refresh. Bits that are known here already
# do not travel.
_VALUES = """
with wanted as (
    select dim, val from unnest(%(dims)s::smallint[], %(vals)s::bigint[]) as w (dim, val)
), known as (
    select * from unnest(%(kdims)s::smallint[], %(kvals)s::bigint[], %(kchunks)s::integer[],
                         %(kversions)s::bigint[]) as k (dim, val, chunk, version)
)
select b.dim, b.val, b.chunk, b.version,
       case when k.version = b.version then null else b.bits end
from analytics_segmentbits b
left join known k on k.dim = b.dim and k.val = b.val and k.chunk = b.chunk
where b.dim = any(%(sliced)s::smallint[])
   or (b.dim, b.val) in (select dim, val from wanted)
"""
_DAYS = """
select kind, val, day, level, version,
       case when version = any(%(versions)s::bigint[])
             and (kind, val, day, level, version) in (
                 select * from unnest(%(kkinds)s::smallint[], %(kvals)s::bigint[],
                                      %(kdays)s::date[], %(klevels)s::smallint[],
                                      %(kversions)s::bigint[]))
            then null else bits end
from analytics_segmentday
where kind = %(kind)s and val = %(val)s and day between %(first)s and %(last)s
  and level <= %(level)s
"""


@dataclass(frozen=True)
class Part:
    """One stored piece of a bitmap."""

    version: int
    bits: BitMap
    size: int


class Cache:
    """Pieces that were read lately, within a bound of bytes; safe to share between threads."""

    def __init__(self) -> None:
        self._parts: OrderedDict[tuple, Part] = OrderedDict()
        self._whole: dict[Key, tuple[tuple, BitMap]] = {}
        self._size = 0
        self._guard = threading.Lock()

    def known(self, wanted: Iterable[tuple]) -> dict[tuple, Part]:
        """Those of the wanted pieces that are here."""
        with self._guard:
            found = {key: self._parts[key] for key in wanted if key in self._parts}
            for key in found:
                self._parts.move_to_end(key)
            return found

    def keys_of(self, dims: set[int], values: set[Key]) -> list[tuple]:
        """Pieces here of sliced dimensions or of single values."""
        with self._guard:
            return [
                key
                for key in self._parts
                if len(key) == 3 and (key[0] in dims or key[:2] in values)
            ]

    def days_of(self, kind: int, val: int, first: date, last: date) -> list[tuple]:
        """Pieces here of one kind and value between two days."""
        with self._guard:
            return [
                key
                for key in self._parts
                if len(key) == 4 and key[:2] == (kind, val) and first <= key[2] <= last
            ]

    def put(self, key: tuple, part: Part) -> None:
        with self._guard:
            if old := self._parts.pop(key, None):
                self._size -= old.size
            self._parts[key] = part
            self._size += part.size
            while self._size > settings.SEGMENT_CACHE_BYTES and len(self._parts) > 1:
                _key, dropped = self._parts.popitem(last=False)
                self._size -= dropped.size

    def whole(self, key: Key, pieces: list[tuple[int, Part]]) -> BitMap:
        """All chunks of a value as one bitmap, kept as long as none of them changes."""
        stamp = tuple(sorted((chunk, part.version) for chunk, part in pieces))
        with self._guard:
            kept = self._whole.get(key)
        if kept and kept[0] == stamp:
            return kept[1]
        if len(pieces) == 1:
            return pieces[0][1].bits
        joined = BitMap.union(*(part.bits for _chunk, part in pieces))
        with self._guard:
            if len(self._whole) > 400:
                self._whole.clear()
            self._whole[key] = (stamp, joined)
        return joined

    def clear(self) -> None:
        """Forget everything: the database behind it is another one."""
        with self._guard:
            self._parts.clear()
            self._whole.clear()
            self._size = 0


cache = Cache()


def read_values(values: set[Key], sliced: set[int]) -> dict[Key, BitMap]:
    """Bitmaps of these values, and of every digit of the sliced dimensions."""
    if not values and not sliced:
        return {}
    known = cache.known(cache.keys_of(sliced, values))
    params = {
        "dims": [dim for dim, _val in values],
        "vals": [val for _dim, val in values],
        "sliced": list(sliced),
        "kdims": [key[0] for key in known],
        "kvals": [key[1] for key in known],
        "kchunks": [key[2] for key in known],
        "kversions": [part.version for part in known.values()],
    }
    pieces: dict[Key, list[tuple[int, Part]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_VALUES, params)
        for dim, val, chunk, version, bits in cursor.fetchall():
            part = known.get((dim, val, chunk))
            if bits is not None:
                part = Part(version, BitMap.deserialize(bytes(bits)), len(bits))
                cache.put((dim, val, chunk), part)
            pieces.setdefault((dim, val), []).append((chunk, part))
    return {key: cache.whole(key, parts) for key, parts in pieces.items()}


def read_days(kind: int, val: int, first: date, last: date, level: int) -> list[BitMap]:
    """Bitmaps of every day between both and every level up to this one."""
    known = cache.known(cache.days_of(kind, val, first, last))
    params = {
        "kind": kind,
        "val": val,
        "first": first,
        "last": last,
        "level": level,
        "versions": list({part.version for part in known.values()}),
        "kkinds": [key[0] for key in known],
        "kvals": [key[1] for key in known],
        "kdays": [key[2] for key in known],
        "klevels": [key[3] for key in known],
        "kversions": [part.version for part in known.values()],
    }
    found = []
    with connection.cursor() as cursor:
        cursor.execute(_DAYS, params)
        for *key, version, bits in cursor.fetchall():
            part = known.get(tuple(key))
            if bits is not None:
                part = Part(version, BitMap.deserialize(bytes(bits)), len(bits))
                cache.put(tuple(key), part)
            found.append(part.bits)
    return found
