"""Folding columns with a plan: splits customers into blocks, runs the kernel on every core.

A plan is what the kernel needs to know and nothing about why; `analytics.funnels` makes one from
a question. Block results are small, so memory does not grow with the number of customers unless
the caller asks to keep the people.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from analytics.events import kernel
from analytics.events.columns import Columns, sealed

BLOCK_CUSTOMERS = 1 << 16
BLOCK_EVENTS = 1 << 20
THREADS = min(8, len(os.sched_getaffinity(0)))


@dataclass(frozen=True)
class Axis:
    """One attribute of the entry that splits customers into cells.

    Either `dimension` (a name in the columns, as of the entry; `own` gives each customer's value
    where events tell none) or `edges` (starts of periods). `places` maps a value's code to its
    cell, -1 to leave the customer out; `width` is the number of cells.
    """

    width: int
    places: np.ndarray
    dimension: str = ""
    own: np.ndarray | None = None
    edges: np.ndarray | None = None


@dataclass(frozen=True)
class Plan:
    """Steps as a bit mask per event code, and the settings of the fold."""

    masks: np.ndarray
    settings: np.ndarray
    axes: tuple[Axis, ...] = ()
    codes: np.ndarray | None = None

    @property
    def steps(self) -> int:
        return int(self.settings[kernel.STEPS])

    @property
    def cells(self) -> int:
        return int(np.prod([axis.width for axis in self.axes], dtype=np.int64))


@dataclass(frozen=True)
class Folded:
    """Customers of one block: arrays over rows low..high, seconds-to-step per step from the second.

    The seconds of step k stand in row order, for the rows whose level is at least k.
    """

    low: int
    high: int
    levels: np.ndarray
    opens: np.ndarray
    entries: np.ndarray
    cells: np.ndarray
    seconds: tuple[np.ndarray, ...] = field(default_factory=tuple)


def fold_blocks(columns: Columns, plan: Plan, skip: np.ndarray | None = None) -> Iterator[Folded]:
    """Folded blocks in order of customers; `skip` (one byte per row) leaves customers out."""
    left_out = sealed(np.empty(0, np.uint8) if skip is None else skip.view(np.uint8))
    bounds = block_bounds(columns.offsets)
    if len(bounds) <= 2 or THREADS == 1:
        for low, high in zip(bounds[:-1], bounds[1:], strict=True):
            yield fold_block(columns, plan, left_out, int(low), int(high))
        return
    with ThreadPoolExecutor(THREADS) as pool:
        yield from pool.map(
            lambda pair: fold_block(columns, plan, left_out, int(pair[0]), int(pair[1])),
            zip(bounds[:-1], bounds[1:], strict=True),
        )


def block_bounds(offsets: np.ndarray) -> np.ndarray:
    """Rows at which blocks begin: bounded in customers and, roughly, in events."""
    customers = len(offsets) - 1
    bounds = list(range(0, customers, BLOCK_CUSTOMERS)) + [customers]
    finer = [0]
    for low, high in zip(bounds[:-1], bounds[1:], strict=True):
        pieces = int((int(offsets[high]) - int(offsets[low])) // BLOCK_EVENTS) + 1
        cuts = np.linspace(int(offsets[low]), int(offsets[high]), pieces + 1)[1:-1]
        finer += sorted({int(i) for i in np.searchsorted(offsets[low:high], cuts) + low} - {low})
        finer.append(high)
    return np.unique(np.asarray(finer, np.int64))


def fold_block(columns: Columns, plan: Plan, skip: np.ndarray, low: int, high: int) -> Folded:
    """Fold the customers in rows low..high and say in which cell each stands."""
    size = high - low
    levels, opens = np.empty(size, np.uint8), np.empty(size, np.uint8)
    entries = np.empty(size, np.int64)
    durations = np.empty((max(plan.steps - 1, 1), size), np.uint32)
    reached = np.zeros(kernel.MAX_STEPS, np.int64)
    codes = columns.kinds if plan.codes is None else plan.codes
    kernel.fold(
        low, high, columns.offsets, codes, columns.seconds, columns.micro_rows, columns.micros,
        plan.masks, skip, plan.settings, levels, opens, entries, durations, reached,
    )  # fmt: skip
    cells = np.zeros(size, np.int32)
    for axis in plan.axes:
        values = _axis_values(columns, axis, low, high, levels, entries)
        kernel.combine(cells, values, axis.places, axis.width)
    seconds = tuple(durations[step, : reached[step]] for step in range(plan.steps - 1))
    return Folded(low, high, levels, opens, entries, cells, seconds)


def _axis_values(
    columns: Columns, axis: Axis, low: int, high: int, levels: np.ndarray, entries: np.ndarray
) -> np.ndarray:
    values = np.empty(high - low, np.uint32)
    if axis.edges is not None:
        kernel.period_of_entry(low, high, levels, entries, columns.seconds, axis.edges, values)
        return values
    dimension = columns.dimensions[axis.dimension]
    own = np.empty(0, np.uint16) if axis.own is None else axis.own
    kernel.values_as_of(
        low, high, columns.offsets, levels, entries, dimension.rows, dimension.codes, own, values
    )
    return values
