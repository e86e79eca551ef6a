"""Compiling the kernel before anybody waits for it.

The compiled code is kept on disk (`NUMBA_CACHE_DIR`), so this is slow once per installation and
takes well under a second in every later process.
"""

import numpy as np

from analytics.events import chains, kernel
from analytics.events.attempts import ChainPlan, fold_attempts
from analytics.events.columns import Dimension, Part, from_arrays, sealed
from analytics.events.folding import Axis, Folded, Plan, fold_parts


def warm_up() -> None:
    """Fold one customer in every shape of table that occurs."""
    one = np.ones(2, np.int64)
    columns = from_arrays(one, one * 1_000_000, one, agent=one, channel=one)
    settings = np.zeros(kernel.SETTINGS, np.int64)
    settings[[kernel.STEPS, kernel.WINDOW, kernel.UNTIL, kernel.CUT]] = [2, 9, 99, kernel.NO_CUT]
    places = np.zeros(2, np.int32)
    dimension: Dimension = columns.dimensions["channel"]
    axes = (
        Axis(1, places, dimension=dimension, own=np.zeros(1, np.uint8)),
        Axis(1, places[:1], edges=_sealed_edges()),
    )
    plan = Plan(np.array([3], np.uint16), settings, axes)
    masks = np.arange(1 << kernel.MAX_STEPS, dtype=np.uint16)
    by_event = Plan(masks, settings, axes, _sealed_masks())
    for made in (plan, by_event):
        fold_parts([Part(columns)], [made], _tally)
    fold_parts([Part(columns)], [_chain_plan(axes)], _tally, fold_attempts)


def _chain_plan(axes: tuple[Axis, ...]) -> ChainPlan:
    bounds = np.zeros(3, np.int64)
    settings = np.zeros(chains.SETTINGS, np.int64)
    settings[[chains.STEPS, chains.WINDOW, chains.UNTIL, chains.CUT]] = [2, 9, 1 << 40, 1 << 40]
    nothing = np.empty(0, np.int32)
    masks, bans = np.array([3], np.uint16), np.zeros((0, 2), np.int64)
    excluded = np.zeros(1, np.uint8)
    return ChainPlan(masks, excluded, nothing, settings, bounds, bounds, bans, axes=axes)


def _sealed_edges() -> np.ndarray:
    return sealed(np.zeros(1, np.int64))


def _sealed_masks() -> np.ndarray:
    return sealed(np.array([3, 3], np.uint16))


def _tally(block: Folded) -> None:
    counts = np.zeros((1, 2, 3), np.int64)
    kernel.tally(block.levels, block.opens, block.cells, counts)
