"""One table of events as arrays: how it is made, and what a question reads of it."""

from dataclasses import dataclass, field

import numpy as np

NO_ROWS = np.empty(0, np.uint32)
LATEST_MICROS = 2**32 * 1_000_000


class TimesOutOfRange(ValueError):
    """A time does not fit: columns hold 1970-01-01 to 2106-02-07."""


@dataclass(frozen=True)
class Dimension:
    """Values of one attribute of events, as codes into `values`; code 0 is "not known".

    `rows` names the events that carry a value; empty means that `codes` has one for every event.
    """

    codes: np.ndarray
    values: np.ndarray
    rows: np.ndarray = field(default_factory=lambda: NO_ROWS)


@dataclass(frozen=True)
class Columns:
    """Events of all customers, sorted by (customer, time, order of recording).

    Row i belongs to customer ids[i] and owns events offsets[i] to offsets[i + 1]; a row may be
    empty. `kinds` holds codes into `kind_ids`. `micro_rows` and `micros` follow the rule of
    `Dimension`.
    """

    ids: np.ndarray | range
    offsets: np.ndarray
    seconds: np.ndarray
    kinds: np.ndarray
    kind_ids: np.ndarray
    micro_rows: np.ndarray
    micros: np.ndarray
    dimensions: dict[str, Dimension]

    @property
    def customers(self) -> int:
        return len(self.offsets) - 1

    @property
    def events(self) -> int:
        return len(self.seconds)

    def ids_at(self, rows: np.ndarray) -> np.ndarray:
        """Customer ids of rows."""
        if isinstance(self.ids, range):
            return np.asarray(rows, np.int64) + self.ids.start
        return self.ids[rows].astype(np.int64)

    def rows_of(self, customer_ids: np.ndarray) -> np.ndarray:
        """Rows of the given customers; those without events are left out."""
        rows, found = self._find(customer_ids)
        return rows[found]

    def spread(self, customer_ids: np.ndarray, values: np.ndarray) -> np.ndarray:
        """One value per row, 0 for customers that are not named."""
        rows, found = self._find(customer_ids)
        spread = np.zeros(self.customers, np.int64)
        spread[rows[found]] = values[found]
        return spread

    def _find(self, customer_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        wanted = np.asarray(customer_ids, np.int64)
        if isinstance(self.ids, range):
            return wanted - self.ids.start, (wanted >= self.ids.start) & (wanted < self.ids.stop)
        if not len(self.ids):
            return wanted, np.zeros(len(wanted), bool)
        rows = np.minimum(np.searchsorted(self.ids, wanted), len(self.ids) - 1)
        return rows, self.ids[rows] == wanted

    def events_of(self, rows: np.ndarray) -> "Events":
        """The events of some customer rows, decoded."""
        starts, ends = self.offsets[rows].astype(np.int64), self.offsets[rows + 1].astype(np.int64)
        counts = ends - starts
        first = np.concatenate(([0], np.cumsum(counts)[:-1])) if len(rows) else counts
        at = np.repeat(starts - first, counts) + np.arange(int(counts.sum()))
        micros = carried(Dimension(self.micros, NO_ROWS, self.micro_rows), at).astype(np.int64)
        return Events(
            np.repeat(self.ids_at(rows), counts),
            self.seconds[at].astype(np.int64) * 1_000_000 + micros,
            self.kind_ids[self.kinds[at]].astype(np.int64),
            {
                name: np.concatenate(([0], dimension.values))[carried(dimension, at)]
                for name, dimension in self.dimensions.items()
            },
        )


@dataclass(frozen=True)
class Part:
    """A table of events of which `skip` (one flag per customer row) leaves customers out."""

    columns: Columns
    skip: np.ndarray | None = None


@dataclass(frozen=True)
class Events:
    """Decoded events in order of recording; a dimension holds ids, 0 for none."""

    customers: np.ndarray
    at_micros: np.ndarray
    kinds: np.ndarray
    dimensions: dict[str, np.ndarray]

    def chosen(self, rows: np.ndarray) -> "Events":
        """Some of the events, in less room: a bucket waits in memory until it is complete."""
        return Events(
            self.customers[rows],
            self.at_micros[rows],
            self.kinds[rows].astype(np.int32),
            {name: values[rows].astype(np.uint32) for name, values in self.dimensions.items()},
        )


def carried(dimension: Dimension, at: np.ndarray) -> np.ndarray:
    """Codes of the events in rows `at` (sorted within each customer), 0 where there is none."""
    if dimension.rows.size:
        found = np.searchsorted(dimension.rows, at)
        found = np.minimum(found, dimension.rows.size - 1)
        return np.where(dimension.rows[found] == at, dimension.codes[found], 0)
    return dimension.codes[at] if dimension.codes.size else np.zeros(len(at), np.uint8)


def thinned(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(rows, codes) of the events that carry a value, where that takes less room than all codes."""
    rows = np.flatnonzero(codes)
    if not len(rows):
        return NO_ROWS, codes[:0]
    if len(rows) * (4 + codes.itemsize) < len(codes) * codes.itemsize:
        return rows.astype(np.uint32), codes[rows]
    return NO_ROWS, codes


class Dictionary:
    """Ids in order of their codes, which start at `first`; old codes stay when ids are added."""

    def __init__(self, ids: np.ndarray, first: int) -> None:
        self.ids, self.first = np.asarray(ids, np.int64), first
        self._order = np.argsort(self.ids, kind="stable")

    def grown(self, present: np.ndarray) -> "Dictionary":
        """The same codes and, after them, codes for ids that are new."""
        new = np.setdiff1d(present[present != 0], self.ids)
        return Dictionary(np.concatenate((self.ids, new)), self.first)

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Codes of ids, all of which are known or (with codes from 1) 0."""
        dtype = smallest_unsigned(len(self.ids) + self.first - 1)
        if not len(self.ids):
            return np.zeros(len(values), dtype)
        at = np.searchsorted(self.ids, values, sorter=self._order)
        codes = self._order[np.minimum(at, len(self.ids) - 1)] + self.first
        if self.first:
            codes = np.where(values == 0, 0, codes)
        return codes.astype(dtype)


def smallest_unsigned(largest: int) -> np.dtype:
    """The narrowest unsigned type, of at most four bytes, that holds `largest`."""
    for dtype in (np.uint8, np.uint16):
        if largest <= np.iinfo(dtype).max:
            return np.dtype(dtype)
    return np.dtype(np.uint32)


def sealed(array: np.ndarray) -> np.ndarray:
    """A read-only plain view: compiled code then meets one type, in memory or mapped."""
    view = np.asarray(array).view(np.ndarray)
    view.flags.writeable = False
    return view


def from_arrays(
    customers: np.ndarray, at_micros: np.ndarray, kinds: np.ndarray, **dimensions: np.ndarray
) -> Columns:
    """Columns of events given in order of recording, kept in memory, with codes of their own."""
    events = Events(customers, at_micros, kinds, dimensions)
    present = {name: np.unique(values) for name, values in dimensions.items()}
    codes = {name: Dictionary(ids[ids != 0], 1) for name, ids in present.items()}
    return tabulated(events, Dictionary(np.unique(kinds), 0), codes)


def tabulated(events: Events, kinds: Dictionary, dictionaries: dict[str, Dictionary]) -> Columns:
    """Columns of events given in order of recording."""
    at = events.at_micros
    if len(at) and (at.min() < 0 or at.max() >= LATEST_MICROS):
        raise TimesOutOfRange("events must lie between 1970-01-01 and 2106-02-07")
    order = np.lexsort((at, events.customers))
    ids, counts = _rows(events.customers)
    at = at[order]
    micro_rows, micros = thinned((at % 1_000_000).astype(np.uint32))
    dimensions = {}
    for name, dictionary in dictionaries.items():
        rows, codes = thinned(dictionary.encode(events.dimensions[name][order]))
        dimensions[name] = Dimension(sealed(codes), dictionary.ids, sealed(rows))
    return Columns(
        ids=ids,
        offsets=sealed(np.concatenate(([0], np.cumsum(counts))).astype(np.uint32)),
        seconds=sealed((at // 1_000_000).astype(np.uint32)),
        kinds=sealed(kinds.encode(events.kinds[order])),
        kind_ids=kinds.ids,
        micro_rows=sealed(micro_rows),
        micros=sealed(micros),
        dimensions=dimensions,
    )


def _rows(customers: np.ndarray) -> tuple[np.ndarray | range, np.ndarray]:
    """Ids of the rows and events of each; ids that nearly follow one another need no array."""
    ids, counts = np.unique(customers, return_counts=True)
    first, last = (int(ids[0]), int(ids[-1])) if len(ids) else (0, 0)
    if len(ids) and last - first < 2 * len(ids):
        every = np.zeros(last - first + 1, np.int64)
        every[ids - first] = counts
        return range(first, last + 1), every
    return sealed(ids.astype(np.uint32 if last < 2**32 else np.int64)), counts
