"""Folding with everything a question can ask: the plan of `chains`, and what its attempts say.

Slower than `folding` by what it does more: every entry is followed on its own, and the events of
the chosen chains are kept so that breakdowns and values can be read on any of them.
"""

from dataclasses import dataclass

import numpy as np

from analytics.events import chains, kernel
from analytics.events.columns import NO_ROWS, Columns, Dimension, Part, carried, sealed
from analytics.events.folding import Axis, Folded

_NOTHING = np.empty(0, np.uint8)


@dataclass(frozen=True)
class ChainPlan:
    """Which steps and exclusions each event is, and the bounds between steps (microseconds).

    `masks` and `exclusions` follow `kinds`, or the events where `by_event` says so; `held` has the
    code of the value that a chain must hold, one per event, or nothing. `longest[k]` and
    `shortest[k]` bound the time from the k-th step to the next; `bans` has a row (after, before)
    for each exclusion.
    """

    masks: np.ndarray
    exclusions: np.ndarray
    held: np.ndarray
    settings: np.ndarray
    longest: np.ndarray
    shortest: np.ndarray
    bans: np.ndarray
    by_event: bool = False
    axes: tuple[Axis, ...] = ()

    @property
    def steps(self) -> int:
        return int(self.settings[chains.STEPS])


def fold_attempts(part: Part, plan: ChainPlan, number: int, low: int, high: int) -> Folded:
    """Fold the units in rows low..high: one attempt each, or all of them for totals."""
    columns, steps = part.columns, plan.steps
    first, stop = int(columns.offsets[low]), int(columns.offsets[high])
    at = _micros_at(columns, first, stop)
    where = slice(first, stop)
    masks, exclusions = plan.masks[where], plan.exclusions[where]
    if not plan.by_event:
        kinds = columns.kinds[where]
        masks, exclusions = plan.masks[kinds], plan.exclusions[kinds]
    held = plan.held[where] if plan.held.size else np.empty(0, np.int32)
    size = int(np.count_nonzero(masks)) if plan.settings[chains.TOTALS] else high - low
    rows, levels = np.empty(size, np.int64), np.zeros(size, np.uint8)
    opens, found = np.zeros(size, np.uint8), np.zeros((steps, size), np.int64)
    skip = _NOTHING if part.skip is None else part.skip.view(np.uint8)
    count = chains.fold_chains(
        low, high, sealed(columns.offsets), first, sealed(at), sealed(masks), sealed(exclusions),
        sealed(held), sealed(skip), plan.settings, plan.longest, plan.shortest, plan.bans,
        rows, levels, opens, found,
    )  # fmt: skip
    rows, levels, opens = rows[:count], levels[:count], opens[:count]
    found = found[:, :count]
    cells = np.zeros(count, np.int32)
    for axis in plan.axes:
        values = _values(columns, axis, rows, levels, found)
        kernel.combine(cells, values, axis.places, axis.width)
    seconds = tuple(
        ((at[found[k][levels > k] - first] - at[found[0][levels > k] - first]) // 1_000_000).astype(
            np.uint32
        )
        for k in range(1, steps)
    )
    return Folded(number, low, high, levels, opens, found[0], cells, seconds, rows, found)


def _micros_at(columns: Columns, first: int, stop: int) -> np.ndarray:
    """Microseconds since 1970 of some events."""
    at = columns.seconds[first:stop].astype(np.int64) * 1_000_000
    if columns.micro_rows.size:
        low, high = np.searchsorted(columns.micro_rows, (first, stop))
        at[columns.micro_rows[low:high].astype(np.int64) - first] += columns.micros[low:high]
    elif columns.micros.size:
        at += columns.micros[first:stop]
    return at


def _values(
    columns: Columns, axis: Axis, rows: np.ndarray, levels: np.ndarray, chain: np.ndarray
) -> np.ndarray:
    """Code of each attempt on one axis."""
    values = np.zeros(len(rows), np.uint32)
    if axis.edges is not None:
        kernel.period_of_entry(0, len(rows), levels, chain[0], columns.seconds, axis.edges, values)
        return values
    dimension = axis.dimension
    if axis.touch == 0:
        own = _NOTHING if axis.own is None else axis.own
        chains.values_as_of_events(
            rows, chain[0], sealed(columns.offsets), sealed(dimension.rows),
            sealed(dimension.codes), sealed(own), values,
        )  # fmt: skip
        return values
    step = levels.astype(np.int64) if axis.touch < 0 else np.full(len(rows), axis.touch)
    there = step <= levels
    events = chain[np.maximum(step, 1) - 1, np.arange(len(rows))]
    values[there] = carried(dimension, events[there])
    return values


def dimension_of(codes: np.ndarray, values: int) -> Dimension:
    """A dimension with one code per event, 0 for none."""
    return Dimension(sealed(codes), np.arange(1, values + 1), NO_ROWS)
