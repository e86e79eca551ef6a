"""What an engine asks of events, wherever they come from; and events that are just tables."""

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from types import ModuleType
from typing import Protocol

import numpy as np

from analytics.events.columns import Columns, Part

UNKNOWN_KEY = ""
NOBODY = np.empty(0, np.int64)


@dataclass(frozen=True)
class Value:
    """One value of an attribute: `key` in questions and files, `label` for people."""

    key: str
    label: str


@dataclass(frozen=True)
class Texts:
    """One property of events: a code for each, and the text of each code; code 0 is ''."""

    codes: np.ndarray
    values: Sequence[str]


class ConditionLike(Protocol):
    """A test of one property of an event."""

    name: str
    comparison: str
    value: str


class Source(Protocol):
    """Events and what their codes mean, within what the viewer may see."""

    parts: Sequence[Part]
    data_time: datetime
    span: tuple[int, int]

    def kind_ids(self, codes: Iterable[str]) -> dict[str, int]:
        """Ids of the declared kinds among `codes`."""

    def all_kinds(self) -> dict[str, int]:
        """Ids of all kinds by their codes."""

    def own_ids(self, attribute: str, part: int) -> np.ndarray | None:
        """Each customer's own value of an attribute (0 for none), one per row of the part."""

    def values(self, attribute: str, ids: Sequence[int]) -> dict[int, Value]:
        """Names of an attribute's values."""

    def teams(self, agent_ids: Sequence[int]) -> dict[int, int]:
        """The team of each agent who has one."""

    def without_events(self) -> tuple[np.ndarray, np.ndarray]:
        """Ids of units of whom no event is told, and the seconds since when they are known."""

    def given_back(self, kind: int, part: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Orders that were returned: (customer, second of the event of this kind, when)."""

    def keys(self, ids: Iterable[int]) -> dict[int, str]:
        """What the outside calls these units: customer numbers, a file's own keys."""

    def texts(self, name: str, part: int) -> Texts:
        """What each event of a part, in its order, says of a property."""

    def cents(self, kind: int, name: str, part: int) -> np.ndarray:
        """A number that the events of one kind say, in hundredths, in the order of the part."""

    def matching(self, kind: int, tests: Sequence[ConditionLike], part: int) -> np.ndarray:
        """For the events of one kind in the order of the part, whether they meet the tests."""


def engine_of(source: Source, room: str) -> ModuleType:
    """The module that answers the questions of a room on these events.

    Columns are folded by `analytics.<room>.engine`; a source that lies elsewhere names its own in
    `engines`. numba takes half a second and 100 MB, so only what answers is loaded.
    """
    own = getattr(source, "engines", None)
    return import_module(own[room] if own else f"analytics.{room}.engine")


def elsewhere(live: Source) -> Source:
    """The same facts for the same viewer where the second engine has them."""
    return import_module("analytics.clickhouse.source").ClickHouseSource.like(live)


@dataclass(frozen=True)
class TableSource:
    """Events in tables of one's own, without a database: benchmarks, tests, loose files."""

    columns: Sequence[Columns]
    kinds: dict[str, int]
    span: tuple[int, int]
    # For each table what its events say, in their order: name -> texts.
    said: Sequence[Mapping[str, Sequence[str]]] = ()

    @property
    def parts(self) -> list[Part]:
        return [Part(columns) for columns in self.columns]

    @property
    def data_time(self) -> datetime:
        return datetime.fromtimestamp(self.span[1], UTC)

    def kind_ids(self, codes: Iterable[str]) -> dict[str, int]:
        return {code: self.kinds[code] for code in codes if code in self.kinds}

    def all_kinds(self) -> dict[str, int]:
        return dict(self.kinds)

    def own_ids(self, attribute: str, part: int) -> np.ndarray | None:
        return None

    def values(self, attribute: str, ids: Sequence[int]) -> dict[int, Value]:
        return {number: Value(str(number), str(number)) for number in ids}

    def teams(self, agent_ids: Sequence[int]) -> dict[int, int]:
        return {}

    def without_events(self) -> tuple[np.ndarray, np.ndarray]:
        return NOBODY, NOBODY

    def given_back(self, kind: int, part: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return NOBODY, NOBODY, NOBODY

    def keys(self, ids: Iterable[int]) -> dict[int, str]:
        return {number: str(number) for number in ids}

    def texts(self, name: str, part: int) -> Texts:
        said = self._said(name, part)
        values = ["", *sorted(set(said) - {""})]
        codes = {value: code for code, value in enumerate(values)}
        return Texts(np.array([codes[value] for value in said], np.int32), values)

    def cents(self, kind: int, name: str, part: int) -> np.ndarray:
        rows = self._rows_of(kind, part)
        said = self._said(name, part)
        return np.array([round(float(said[row] or 0) * 100) for row in rows], np.int64)

    def matching(self, kind: int, tests: Sequence[ConditionLike], part: int) -> np.ndarray:
        rows = self._rows_of(kind, part)
        met = np.ones(len(rows), bool)
        for test in tests:
            said = self._said(test.name, part)
            met &= np.array([_meets(said[row], test) for row in rows], bool)
        return met

    def _said(self, name: str, part: int) -> Sequence[str]:
        known = self.said[part] if self.said else {}
        return known.get(name, [""] * self.columns[part].events)

    def _rows_of(self, kind: int, part: int) -> np.ndarray:
        columns = self.columns[part]
        return np.flatnonzero(columns.kind_ids[columns.kinds] == kind)


_COMPARE = {
    "=": operator.eq, "!=": operator.ne, ">": operator.gt, "<": operator.lt,
    ">=": operator.ge, "<=": operator.le,
}  # fmt: skip


def _meets(said: str, test: ConditionLike) -> bool:
    """One test of one text, as `properties` means it, for numbers that a float holds."""
    if not said:
        return False
    if test.comparison == "in":
        return any(_compared(said, "=", value.strip()) for value in test.value.split("|"))
    return _compared(said, test.comparison, test.value)


def _compared(said: str, comparison: str, value: str) -> bool:
    try:
        number = float(value)
    except ValueError:
        return _COMPARE[comparison](said, value)
    try:
        return _COMPARE[comparison](float(said), number)
    except ValueError:
        return False
