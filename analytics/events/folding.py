"""Folding columns with a plan: splits customers into blocks, runs the kernel on every core.

A plan is what the kernel needs to know and nothing about why; `analytics.funnels` makes one from
a question. Block results are small, so memory does not grow with the number of customers unless
the caller asks to keep the people.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from analytics.events import budget, kernel
from analytics.events.budget import THREADS
from analytics.events.columns import Columns, Dimension, Part, sealed

BLOCK_CUSTOMERS = 1 << 16
BLOCK_EVENTS = 1 << 20


@dataclass(frozen=True)
class Axis:
    """One attribute of the entry that splits customers into cells.

    Either `dimension` (as of the entry; `own` gives each customer's value where events tell none)
    or `edges` (starts of periods). `places` maps a value's code to its
    cell, -1 to leave the customer out; `width` is the number of cells.
    """

    width: int
    places: np.ndarray
    dimension: Dimension | None = None
    own: np.ndarray | None = None
    edges: np.ndarray | None = None
    # Where the value is read: 0 as of the entry, s on the s-th event of the chain, -1 on its last.
    touch: int = 0


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
    """Customers low..high of one part: level, what may become of it, entry event and cell.

    The seconds from the entry to step k (`seconds[k - 2]`) stand in row order, for the rows whose
    level is at least k. A cell of -1 means that a filter left the customer out. A fold of attempts
    has one entry per attempt instead of one per row, says their `rows`, and in `chain` (by step)
    the events of their chains.
    """

    part: int
    low: int
    high: int
    levels: np.ndarray
    opens: np.ndarray
    entries: np.ndarray
    cells: np.ndarray
    seconds: tuple[np.ndarray, ...]
    rows: np.ndarray | None = None
    chain: np.ndarray | None = None

    @property
    def units(self) -> np.ndarray:
        """The row of each level."""
        return np.arange(self.low, self.high) if self.rows is None else self.rows


Item = TypeVar("Item")
Result = TypeVar("Result")


def fold_parts(
    parts: Sequence[Part],
    plans: Sequence[Any],
    harvest: Callable[[Folded], Result],
    fold: Callable[[Part, Any, int, int, int], Folded] | None = None,
) -> list[Result]:
    """What `harvest` takes from each folded block, in order of parts and customers.

    `fold` is `fold_block` unless the plans are of another kind. `harvest` runs on the thread that
    folded the block, and must copy what it keeps.
    """
    blocks = [
        (number, low, high)
        for number, part in enumerate(parts)
        for low, high in pairwise(block_bounds(part.columns.offsets))
    ]

    def work(block: tuple[int, int, int]) -> Result:
        number, low, high = block
        part, plan = parts[number], plans[number]
        return harvest((fold or fold_block)(part, plan, number, low, high))

    return in_threads(work, blocks)


def in_threads(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """`work` on each item, on all cores; results in order of the items.

    Within a budget it is asked before each item, and told after it; see `budget`.
    """
    if purse := budget.current():
        purse.expect(len(items))
        work = _within(purse, work)
    if len(items) < 2 or THREADS == 1:
        return [work(item) for item in items]
    with ThreadPoolExecutor(THREADS, initializer=budget.step_back) as pool:
        return list(pool.map(work, items))


def _within(purse: budget.Budget, work: Callable[[Item], Result]) -> Callable[[Item], Result]:
    def checked(item: Item) -> Result:
        purse.check()
        result = work(item)
        purse.did()
        return result

    return checked


def block_bounds(offsets: np.ndarray) -> list[int]:
    """Rows at which blocks begin, and the last row: bounded in customers and in events."""
    customers = len(offsets) - 1
    if customers <= 0:
        return []
    starts = np.arange(0, customers, BLOCK_CUSTOMERS)
    # A block that starts every BLOCK_EVENTS events keeps busy customers from piling up in one.
    by_events = np.searchsorted(offsets, np.arange(0, int(offsets[-1]), BLOCK_EVENTS))
    return np.unique(np.concatenate((starts, by_events, [customers]))).tolist()


def fold_block(part: Part, plan: Plan, number: int, low: int, high: int) -> Folded:
    """Fold the customers in rows low..high and say in which cell each stands."""
    size, columns = high - low, part.columns
    skip = sealed(np.empty(0, np.uint8) if part.skip is None else part.skip.view(np.uint8))
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
    return Folded(number, low, high, levels, opens, entries, cells, seconds)


def _axis_values(
    columns: Columns, axis: Axis, low: int, high: int, levels: np.ndarray, entries: np.ndarray
) -> np.ndarray:
    values = np.empty(high - low, np.uint32)
    if axis.edges is not None:
        kernel.period_of_entry(low, high, levels, entries, columns.seconds, axis.edges, values)
        return values
    dimension, own = axis.dimension, sealed(axis.own)
    kernel.values_as_of(
        low, high, columns.offsets, levels, entries, dimension.rows, dimension.codes, own, values
    )
    return values
