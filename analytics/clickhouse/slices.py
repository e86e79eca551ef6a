"""Slices of the warehouse that fit into memory, as sources for our own kernels.

What one statement cannot say is folded here, slice by slice: the cluster selects and sorts the
events that a question reads, the kernels of `analytics.events` fold them as they fold columns. A
slice holds whole units, so that nothing is lost between two; between slices the budget is asked.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
from django.utils.translation import gettext as _
from psycopg import sql

from analytics.clickhouse.conditions import cents_of, meets, text_of
from analytics.clickhouse.connection import WarehouseRefused, text
from analytics.clickhouse.source import ClickHouseSource
from analytics.events import budget
from analytics.events.columns import Part, from_arrays
from analytics.events.facts import DIMENSIONS
from analytics.events.live import STAGES, given_back
from analytics.events.source import NOBODY, ConditionLike, Texts, Value

EVENTS_AT_MOST = 2_000_000
BUCKET_BITS = 10
NOTHING = "0"
_OWN = ("channel", "stage")


@dataclass(frozen=True)
class Need:
    """Which events a question reads: those of some kinds, or all, and what else they must say.

    `kinds` None means all; whatever says one of `told` is read too, because a value as of an event
    may have been said before it. `said` is the property whose values are the units.
    """

    kinds: frozenset[int] | None = None
    told: tuple[str, ...] = ()
    said: str = ""

    def where(self, source: ClickHouseSource) -> str:
        """The same as a condition on facts."""
        tests = [source.where]
        if self.kinds is not None:
            listed = ", ".join(str(kind) for kind in sorted(self.kinds)) or "null"
            read = [f"kind in ({listed})", *(f"{name} != ''" for name in self.told)]
            tests.append(f"({' or '.join(read)})")
        if self.said:
            tests.append(f"{text_of(self.said, source)} != ''")
        return " and ".join(tests)


def slices(source: ClickHouseSource, need: Need) -> Iterator["Slice"]:
    """All that the question reads, in slices of whole units; one empty slice where that is nothing.

    The budget is told of each slice and asked before it.
    """
    where = need.where(source)
    [[upto]] = source.house.rows(f"select max(id) from facts where {source.where}")
    where = f"{where} and id <= {upto}"
    cuts = _by_unit(source, where, need.said) if need.said else _by_customer(source, where)
    purse = budget.current()
    if purse:
        purse.expect(len(cuts))
    for cut in cuts or [(NOTHING, 0, 0)]:
        if purse:
            purse.check()
        yield Slice(source, where, *cut)
        if purse:
            purse.did()


def _by_customer(source: ClickHouseSource, where: str) -> list[tuple[str, int, int]]:
    """Ranges of customers, each with about as many events as a slice may hold."""
    found = source.house.rows(
        f"select bitShiftRight(customer, {BUCKET_BITS}) as b, count() from facts where {where}"
        " group by b order by b"
    )
    cuts: list[list[int]] = []
    held = EVENTS_AT_MOST
    for bucket, events in found:
        low, high = int(bucket) << BUCKET_BITS, (int(bucket) + 1) << BUCKET_BITS
        if held + int(events) > EVENTS_AT_MOST:
            cuts.append([low, high])
            held = 0
        cuts[-1][1] = high
        held += int(events)
    return [(f"customer >= {low} and customer < {high}", low, high) for low, high in cuts]


def _by_unit(source: ClickHouseSource, where: str, said: str) -> list[tuple[str, int, int]]:
    """Units by a hash of their name: all events of one are in one slice."""
    [[events]] = source.house.rows(f"select count() from facts where {where}")
    number = -(-int(events) // EVENTS_AT_MOST)
    of_unit = f"cityHash64({text_of(said, source)}) % {number}"
    return [(f"{of_unit} = {place}", 0, 0) for place in range(number)]


class Slice:
    """Some units' events as a source of one part.

    `low` and `high` bound its customers where it is cut by customer. Everything is read in the
    same order, by customer, time and order of recording.
    """

    def __init__(self, source: ClickHouseSource, where: str, cut: str, low: int, high: int) -> None:
        self.source, self._cut, self._customers = source, cut, (low, high)
        self._where = f"{where} and {cut}"

    @property
    def data_time(self) -> datetime:
        return self.source.data_time

    @property
    def span(self) -> tuple[int, int]:
        return self.source.span

    @cached_property
    def parts(self) -> list[Part]:
        """One table of its events, or none where there are none."""
        if self._cut == NOTHING:
            return []
        codes = ", ".join(f"{self._coded(name)} as {name}_code" for name in DIMENSIONS)
        found = self.source.house.numbers(self._told(f"customer, at, kind, {codes}"))
        if not found:
            return []
        who, at, kinds, *told = found
        return [Part(from_arrays(who, at, kinds, **dict(zip(DIMENSIONS, told, strict=True))))]

    def kind_ids(self, codes: Iterable[str]) -> dict[str, int]:
        return self.source.kind_ids(codes)

    def all_kinds(self) -> dict[str, int]:
        return self.source.all_kinds()

    def own_ids(self, attribute: str, part: int) -> np.ndarray | None:
        """Channel and stage stand on the customer's record; units of a dataset have none."""
        if self.source.dataset or attribute not in _OWN:
            return None
        code = self._coded(attribute)
        found = self.source.house.numbers(
            f"select customer, {code} as code from units final"
            f" where {self.source.where} and {self._cut} and code > 0"
        )
        columns = self.parts[part].columns
        return columns.spread(*found) if found else np.zeros(columns.customers, np.int64)

    def values(self, attribute: str, ids: Sequence[int]) -> dict[int, Value]:
        if not self.source.dataset:
            return self.source.base.values(attribute, ids)
        names = self.source.attribute_names(attribute)
        return {number: Value(names[number - 1], names[number - 1]) for number in ids}

    def teams(self, agent_ids: Sequence[int]) -> dict[int, int]:
        return {} if self.source.dataset else self.source.base.teams(agent_ids)

    def without_events(self) -> tuple[np.ndarray, np.ndarray]:
        """Nobody: who has no events is in no slice; see `analytics.clickhouse.transitions`."""
        return NOBODY, NOBODY

    def given_back(self, kind: int, part: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """PostgreSQL knows which orders were returned; what a file says does not tell."""
        if self.source.dataset:
            return NOBODY, NOBODY, NOBODY
        low, high = self._customers
        customers = sql.SQL("back.customer_id >= {} and back.customer_id < {}")
        return given_back(kind, customers.format(sql.Literal(low), sql.Literal(high)))

    def keys(self, ids: Iterable[int]) -> dict[int, str]:
        return self.source.keys(ids)

    def texts(self, name: str, part: int) -> Texts:
        said = self.source.house.column(self._told(f"toString({text_of(name, self.source)})"))
        self._check(len(said), self.parts[part].columns.events)
        codes: dict[str, int] = {"": 0}
        found = np.array([codes.setdefault(value, len(codes)) for value in said], np.int32)
        return Texts(found, list(codes))

    def cents(self, kind: int, name: str, part: int) -> np.ndarray:
        return self._of_kind(kind, cents_of(name, self.source), part)

    def matching(self, kind: int, tests: Sequence[ConditionLike], part: int) -> np.ndarray:
        return self._of_kind(kind, f"toInt64({meets(tests, self.source)})", part).astype(bool)

    def _of_kind(self, kind: int, expression: str, part: int) -> np.ndarray:
        found = self.source.house.numbers(self._told(expression, f"kind = {int(kind)}"))
        values = found[0] if found else NOBODY
        columns = self.parts[part].columns
        codes = np.flatnonzero(columns.kind_ids == kind)
        self._check(len(values), int(np.isin(columns.kinds, codes).sum()))
        return values

    def _told(self, expression: str, where: str = "1") -> str:
        return (
            f"select {expression} from facts final where {self._where} and {where}"
            " order by customer, at, id"
        )

    def _coded(self, attribute: str) -> str:
        """The number of an attribute's value, 0 for none."""
        if attribute == "stage":
            stages = ", ".join(text(stage) for stage in STAGES)
            return f"toInt64(indexOf([{stages}], toString(stage))) - 1"
        if not self.source.dataset:
            return f"toInt64OrZero(toString({attribute}))"
        names = ", ".join(text(name) for name in self.source.attribute_names(attribute))
        return f"toInt64(indexOf([{names}], toString({attribute})))" if names else "toInt64(0)"

    def _check(self, found: int, expected: int) -> None:
        if found != expected:
            raise WarehouseRefused(_("ClickHouse 里的数据正在更新，请过一会儿再试"), field="engine")
