"""One table of events as arrays: how it is made, and what a question reads of it."""

from dataclasses import dataclass, field

import numpy as np

NO_ROWS = np.empty(0, np.uint32)
UNKNOWN = 0


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

    Row i of the customers owns events offsets[i] to offsets[i + 1]. `kinds` holds codes into
    `kind_ids`. `micro_rows` and `micros` follow the rule of `Dimension`.
    """

    ids: np.ndarray
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

    def rows_of(self, customer_ids: np.ndarray) -> np.ndarray:
        """Rows of the given customers; those without events are left out."""
        return matching_rows(self.ids, customer_ids)


def matching_rows(ids: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where in the sorted `ids` the wanted ones stand, leaving out those that do not."""
    if not len(ids) or not len(wanted):
        return np.empty(0, np.int64)
    at = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    return at[ids[at] == wanted].astype(np.int64)


def smallest_unsigned(largest: int) -> np.dtype:
    """The narrowest unsigned type, of at most four bytes, that holds `largest`."""
    for dtype in (np.uint8, np.uint16):
        if largest <= np.iinfo(dtype).max:
            return np.dtype(dtype)
    return np.dtype(np.uint32)


def encode(values: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Codes of `values` in the sorted list `present`, 0 where the value is 0 (absent)."""
    codes = np.searchsorted(present, values) + 1
    return np.where(values == 0, 0, codes).astype(smallest_unsigned(len(present)))


def sealed(array: np.ndarray) -> np.ndarray:
    """A read-only plain view: compiled code then meets one type, in memory or mapped."""
    view = np.asarray(array).view(np.ndarray)
    view.flags.writeable = False
    return view


def from_arrays(
    customers: np.ndarray,
    at_micros: np.ndarray,
    kinds: np.ndarray,
    **dimensions: np.ndarray,
) -> Columns:
    """Columns of events given in order of recording, kept in memory.

    `at_micros` counts microseconds since 1970 (UTC); a dimension holds ids, 0 for none.
    """
    order = np.lexsort((at_micros, customers))
    customers, at_micros, kinds = customers[order], at_micros[order], kinds[order]
    if len(at_micros) and (at_micros.min() < 0 or at_micros.max() >= 2**32 * 1_000_000):
        raise TimesOutOfRange("events must lie between 1970-01-01 and 2106-02-07")
    ids, counts = np.unique(customers, return_counts=True)
    kind_ids = np.unique(kinds)
    micros = (at_micros % 1_000_000).astype(np.uint32)
    return Columns(
        ids=ids.astype(np.int64),
        offsets=sealed(np.concatenate(([0], np.cumsum(counts))).astype(np.uint32)),
        seconds=sealed((at_micros // 1_000_000).astype(np.uint32)),
        kinds=sealed(np.searchsorted(kind_ids, kinds).astype(np.uint8)),
        kind_ids=kind_ids,
        micro_rows=sealed(NO_ROWS),
        micros=sealed(micros if micros.any() else NO_ROWS),
        dimensions={name: _dimension(values[order]) for name, values in dimensions.items()},
    )


def _dimension(values: np.ndarray) -> Dimension:
    present = np.unique(values[values != 0])
    codes = encode(values, present).astype(np.uint16)
    return Dimension(sealed(codes), present, sealed(NO_ROWS))
