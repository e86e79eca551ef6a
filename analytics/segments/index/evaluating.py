"""A rule over bitmaps."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from django.db import connection
from pyroaring import BitMap

from analytics.segments.bucketing import bucket_of, seed_of
from analytics.segments.compiling import Setting, birthdays, days_ago
from analytics.segments.fields import FIELDS, INDEXED_PROPERTIES
from analytics.segments.index import dims
from analytics.segments.index.bitmaps import bitmap, ids_of
from analytics.segments.index.days import word_dim
from analytics.segments.index.reading import Key, read_days, read_values
from analytics.segments.models import SegmentWord
from analytics.segments.own import test_of
from analytics.segments.rule import (
    Belongs,
    Bucket,
    Choice,
    Group,
    Happened,
    InSegment,
    Node,
    Own,
    Span,
    Tags,
    Trip,
    walk,
)
from crm.shared.times import day_end, day_start

_COUNTED = """
select customer_id from crm_fact f
where f.kind_id = %s and f.at >= %s and f.at < %s {tests}
group by customer_id having count(*) >= %s
"""


@dataclass(frozen=True)
class Found:
    """Customers, or with ``inverted`` everybody but these."""

    bits: BitMap
    inverted: bool = False

    def __invert__(self) -> "Found":
        return Found(self.bits, not self.inverted)


class Evaluation:
    """One rule, one reading of the index.

    Whoever finds something is told among whom it is asked for, and may answer for more than these.
    """

    def __init__(self, rule: Node, setting: Setting, words: dict[tuple[str, str], int]) -> None:
        self.setting, self.words = setting, words
        self.nodes = list(self._all_nodes(rule))
        self.values = read_values(*self._wanted())

    def _all_nodes(self, rule: Node, seen: frozenset[int] = frozenset()):
        for node in walk(rule):
            yield node
            if not isinstance(node, InSegment) or node.segment in seen:
                continue
            if other := self.setting.segments.get(node.segment):
                yield from self._all_nodes(other, seen | {node.segment})

    def _wanted(self) -> tuple[set[Key], set[int]]:
        values: set[Key] = {(dims.ALL, 0)}
        sliced: set[int] = set()
        for node in self.nodes:
            if isinstance(node, Span):
                sliced.add(dims.SLICED[node.field][0])
            elif not isinstance(node, Group | Happened | Own | Bucket | InSegment) and not (
                isinstance(node, Choice) and FIELDS[node.field].people
            ):
                values |= set(self._keys(node))
        return values, sliced

    def _keys(self, node: Any) -> list[Key]:
        """The values that a condition names."""
        if isinstance(node, Tags):
            return [(dims.TAG, tag) for tag in node.ids]
        if isinstance(node, Belongs):
            dim = dims.GROUP if node.to == "group" else dims.AGENT
            return [(dim, pk) for pk in node.ids]
        if isinstance(node, Trip):
            dim = dims.TRIP_START if node.side == "start" else dims.TRIP_RETURN
            first = self.setting.today.toordinal()
            return [(dim, first + n) for n in range(node.low, node.high + 1)]
        return [key for value in node.values if (key := self._choice_key(node.field, value))]

    def _choice_key(self, field: str, value: int | str) -> Key | None:
        if field == "city":
            word = self.words.get((dims.CITIES, str(value)))
            return (dims.CITY, word) if word else None
        if field == "stage":
            return (dims.STAGE, dims.STAGES.index(value))
        if field == "friend":
            return (dims.FRIEND, dims.FRIENDSHIPS.index(value))
        return ({"channel": dims.CHANNEL, "gender": dims.GENDER}[field], int(value))

    def run(self, rule: Node, within: BitMap | None = None) -> BitMap:
        """Who answers the rule, among all customers of the index (or fewer)."""
        everybody = self._value((dims.ALL, 0))
        if within is not None:
            everybody = everybody & within
        found = self._find(rule, everybody)
        return everybody - found.bits if found.inverted else everybody & found.bits

    def _value(self, key: Key) -> BitMap:
        return self.values.get(key) or BitMap()

    def _union(self, keys: list[Key]) -> BitMap:
        sets = [bits for key in keys if (bits := self.values.get(key))]
        if len(sets) == 1:
            return sets[0]
        return BitMap.union(*sets) if sets else BitMap()

    def _find(self, node: Node, among: BitMap) -> Found:
        return _FINDERS[type(node)](self, node, among)

    def _group(self, node: Group, among: BitMap) -> Found:
        if node.how == "none":
            return ~self._any(node, among)
        return self._any(node, among) if node.how == "any" else self._all(node, among)

    def _any(self, node: Group, among: BitMap) -> Found:
        found = [self._find(part, among) for part in node.parts]
        with_them = [one.bits for one in found if not one.inverted]
        without = [one.bits for one in found if one.inverted]
        union = BitMap.union(*with_them) if with_them else BitMap()
        if not without:
            return Found(union)
        return Found(BitMap.intersection(*without) - union, inverted=True)

    def _all(self, node: Group, among: BitMap) -> Found:
        """What costs least first, so that what costs more is asked about fewer.

        A number takes some dozen operations on everybody it is asked of, a random share is drawn
        person by person.
        """
        stored = [part for part in node.parts if not isinstance(part, Span | Bucket)]
        found = [self._find(part, among) for part in stored]
        kept = sorted((one.bits for one in found if not one.inverted), key=len)
        dropped = [one.bits for one in found if one.inverted]
        worked_out = [
            part for kind in (Span, Bucket) for part in node.parts if isinstance(part, kind)
        ]
        if not kept and not worked_out:
            return Found(BitMap.union(*dropped) if dropped else BitMap(), inverted=True)
        result = kept[0] if kept else among
        for bits in kept[1:]:
            result = result & bits
        for bits in dropped:
            result = result - bits
        for part in worked_out:
            result = self._find(part, result).bits
        return Found(result)

    def _choice(self, node: Choice, among: BitMap) -> Found:
        if people := FIELDS[node.field].people:
            with connection.cursor() as cursor:
                cursor.execute(*people(list(node.values), self.setting.today))
                return Found(BitMap([pk for (pk,) in cursor.fetchall()]))
        return self._by_keys(node, among)

    def _by_keys(self, node: Any, among: BitMap) -> Found:
        return Found(self._union(self._keys(node)))

    def _tags(self, node: Tags, among: BitMap) -> Found:
        if node.how != "all":
            found = Found(self._union(self._keys(node)))
            return ~found if node.how == "none" else found
        return Found(BitMap.intersection(*(self._value(key) for key in self._keys(node))))

    def _span(self, node: Span, among: BitMap) -> Found:
        dim, shift = dims.SLICED[node.field]
        low, high = self._limits(node, shift)
        exists = self._value((dim, dims.EXISTS)) & among
        digits = [self.values.get((dim, bit)) for bit in range(self._digits(dim))]
        found = exists
        if low is not None and low > 0:
            found = _at_least(low, digits, exists)
        if high is not None:
            found = found - _at_least(high + 1, digits, exists) if high >= 0 else BitMap()
        return Found(found)

    def _limits(self, node: Span, shift: int) -> tuple[int | None, int | None]:
        """What a sliced dimension holds: numbers shifted, days by their ordinal less one."""
        field = FIELDS[node.field]
        if field.type == "number":
            return tuple(
                None if limit is None else limit * field.scale + shift
                for limit in (node.low, node.high)
            )
        how = birthdays if field.type == "age" else days_ago
        first, last = how(node, self.setting.today)
        return tuple(day and day.toordinal() - 1 for day in (first, last))

    def _digits(self, dim: int) -> int:
        return max((val + 1 for d, val in self.values if d == dim), default=0)

    def _happened(self, node: Happened, among: BitMap) -> Found:
        parts = []
        if node.at_least is not None:
            parts.append(Found(self._times(node, node.at_least)))
        if node.at_most is not None:
            parts.append(~Found(self._times(node, node.at_most + 1)))
        if len(parts) == 1:
            return parts[0]
        return Found(parts[0].bits - parts[1].bits)

    def _times(self, node: Happened, times: int) -> BitMap:
        """Who did it at least so often; from the days of the index, or from the facts."""
        kind = self.setting.kinds.get(node.kind)
        if kind is None:
            return BitMap()
        last = self.setting.today
        first = last - timedelta(days=node.days - 1)
        if not node.where:
            return _counted(read_days(kind, 0, first, last, times), times)
        if len(node.where) == 1 and node.where[0][0] in INDEXED_PROPERTIES.get(node.kind, ()):
            name, value = node.where[0]
            word = self.words.get((word_dim(node.kind, name), value))
            return _counted(read_days(kind, word, first, last, times), times) if word else BitMap()
        return _from_facts(kind, first, last, node.where, times)

    def _own(self, node: Own, among: BitMap) -> Found:
        """Asked of the values themselves: they are few beside customers, and change at any time."""
        test = test_of(node, self.setting.own)
        if test is None:
            return Found(BitMap())
        with connection.cursor() as cursor:
            cursor.execute(
                f"select customer_id from crm_fieldvalue v where {test.sql}",  # noqa: S608 - ours
                test.params,
            )
            return Found(BitMap([pk for (pk,) in cursor.fetchall()]))

    def _bucket(self, node: Bucket, among: BitMap) -> Found:
        ids = ids_of(among)
        places = bucket_of(ids.astype(np.uint64), seed_of(node.salt))
        return Found(bitmap(ids[(places >= node.low * 100) & (places < node.high * 100)]))

    def _segment(self, node: InSegment, among: BitMap) -> Found:
        other = self.setting.segments.get(node.segment)
        return self._find(other, among) if other else Found(BitMap())


_FINDERS: dict[type, Callable[[Evaluation, Any, BitMap], Found]] = {
    Group: Evaluation._group,
    Choice: Evaluation._choice,
    Belongs: Evaluation._by_keys,
    Trip: Evaluation._by_keys,
    Tags: Evaluation._tags,
    Span: Evaluation._span,
    Happened: Evaluation._happened,
    Own: Evaluation._own,
    Bucket: Evaluation._bucket,
    InSegment: Evaluation._segment,
}


def _at_least(limit: int, digits: list[BitMap | None], exists: BitMap) -> BitMap:
    """Who has a number of at least ``limit``, from its binary digits (lowest first)."""
    if limit >> len(digits):
        return BitMap()
    above, equal = BitMap(), exists
    for bit in range(len(digits) - 1, -1, -1):
        ones = digits[bit] or BitMap()
        if limit >> bit & 1:
            equal = equal & ones
        else:
            above = above | (equal & ones)
            equal = equal - ones
        if not equal:
            return above
    return above | equal


def _counted(sets: list[BitMap], times: int) -> BitMap:
    """Who is in at least ``times`` of the sets: binary counters, one bitmap a digit."""
    if times == 1 or not sets:
        return BitMap.union(*sets) if sets else BitMap()
    width = times.bit_length()
    planes = [BitMap() for _digit in range(width)]
    full = BitMap()
    for carry in sets:
        for digit, plane in enumerate(planes):
            planes[digit], carry = plane ^ carry, plane & carry
            if not carry:
                break
        full |= carry
    seen = BitMap.union(full, *planes)
    return full | _at_least(times, planes, seen)


def _from_facts(
    kind: int, first: date, last: date, where: tuple[tuple[str, str], ...], times: int
) -> BitMap:
    tests = " ".join("and f.properties ->> %s = %s" for _pair in where)
    words = [word for pair in where for word in pair]
    with connection.cursor() as cursor:
        cursor.execute(
            _COUNTED.format(tests=tests),
            [kind, day_start(first), day_end(last), *words, times],
        )
        return BitMap([pk for (pk,) in cursor.fetchall()])


def words_of(rule_nodes: list[Node]) -> dict[tuple[str, str], int]:
    """Numbers of the cities and property values that conditions name."""
    wanted: set[tuple[str, str]] = set()
    for node in rule_nodes:
        if isinstance(node, Choice) and node.field == "city":
            wanted |= {(dims.CITIES, str(value)) for value in node.values}
        if isinstance(node, Happened) and len(node.where) == 1:
            name, value = node.where[0]
            wanted.add((word_dim(node.kind, name), value))
    if not wanted:
        return {}
    found = SegmentWord.objects.filter(
        dim__in={dim for dim, _word in wanted}, word__in={word for _dim, word in wanted}
    )
    return {(word.dim, word.word): word.pk for word in found if (word.dim, word.word) in wanted}
