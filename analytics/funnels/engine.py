"""The `columns` engine: turns a question into a fold over columns and its counts into an answer."""

from dataclasses import dataclass
from datetime import datetime
from threading import Lock

import numpy as np
from django.utils.translation import gettext as _

from analytics.events import kernel
from analytics.events.folding import Folded, fold_parts, in_threads
from analytics.events.kept import Keeper, Kept, KeptIds, in_state
from analytics.events.source import Source, Value
from analytics.funnels.amounts import Amounts
from analytics.funnels.answer import (
    Answer,
    CellFigures,
    median_and_p90,
    step_figures,
    steps_of_cells,
)
from analytics.funnels.planning import Prepared, prepare
from analytics.funnels.question import CUSTOMER, Question, QuestionRefused
from analytics.funnels.resolving import check_figure, step_names

STATES = kernel.YOUNG + 1


def answer(
    question: Question,
    source: Source,
    labels: dict[str, str] | None = None,
    keeper: Keeper | None = None,
) -> Answer:
    """Count every step and cell of the question; `labels` names events for people.

    With a `keeper` the answer has a token by which its people are found without folding again.
    """
    prepared = prepare(question, source)
    counted = count(prepared, keeper)
    token = _written(keeper, prepared) if keeper else ""
    return told(question, counted, labels or {}, source.data_time, prepared.as_of, token)


@dataclass
class Counted:
    """What a fold found: by cell, level and state the units; the money; the seconds to each step.

    `seconds` has a list of arrays for each step after the first, of all who reached it.
    """

    cells: list[tuple[Value, ...]]
    totals: np.ndarray
    cents: np.ndarray | None
    seconds: list[list[np.ndarray]]


def count(prepared: Prepared, keeper: Keeper | None = None) -> Counted:
    """Fold everything once and count."""
    parts, steps = prepared.source.parts, len(prepared.question.steps)
    totals = np.zeros((len(prepared.cells), steps, STATES), np.int64)
    amounts = Amounts.of(prepared) if prepared.question.value else None
    lock = Lock()

    def harvest(block: Folded) -> list[np.ndarray]:
        counts = np.zeros(totals.shape, np.int64)
        kernel.tally(block.levels, block.opens, block.cells, counts)
        with lock:
            totals.__iadd__(counts)
        if amounts:
            amounts.take(block, lock)
        if keeper:
            keeper.take(parts[block.part], block)
        return _seconds_of_members(block, filtered=bool(prepared.question.filters))

    collected = fold_parts(parts, prepared.plans, harvest, prepared.fold)
    seconds = [[block[k] for block in collected if len(block[k])] for k in range(steps - 1)]
    return Counted(prepared.cells, totals, amounts.cents if amounts else None, seconds)


def told(
    question: Question,
    counted: Counted,
    labels: dict[str, str],
    data_time: datetime,
    as_of: datetime,
    token: str = "",
) -> Answer:
    """The answer that the counts come to."""
    names, cents = step_names(question, labels), counted.cents
    return Answer(
        question=question,
        steps=step_figures(
            counted.totals.sum(axis=0),
            names,
            _quantiles(counted),
            None if cents is None else cents.sum(axis=0).tolist(),
        ),
        cells=_cell_figures(question, counted.cells, counted.totals, names, cents),
        data_time=data_time,
        as_of=as_of,
        token=token,
    )


def can_keep(question: Question) -> bool:
    """Whether each customer has one entry, so that rows of the fold are people."""
    return question.count == "unique" and question.unit == CUSTOMER


def _written(keeper: Keeper, prepared: Prepared) -> str:
    keys = [[value.key for value in cell] for cell in prepared.cells]
    return keeper.write(prepared.question.as_json(), keys, prepared.source.data_time)


def people_kept(
    kept: Kept, question: Question, *, step: int, state: str, cell: dict[str, str] | None = None
) -> KeptIds:
    """The same as `people`, from what an answer kept."""
    check_figure(question, step, state)
    wanted = _wanted(question, kept.cell_keys, cell or {})
    return kept.people(step=step, state=state, steps=len(question.steps), cells=wanted)


def people(
    question: Question, source: Source, *, step: int, state: str, cell: dict[str, str] | None = None
) -> np.ndarray:
    """Sorted ids of exactly the customers behind one figure.

    `step` counts from 1; `cell` gives keys of breakdown values, and without it all are meant.
    """
    return people_of(prepare(question, source), step=step, state=state, cell=cell)


def people_of(
    prepared: Prepared, *, step: int, state: str, cell: dict[str, str] | None = None
) -> np.ndarray:
    """The same of a question made ready."""
    question = prepared.question
    check_figure(question, step, state)
    keys = [[value.key for value in values] for values in prepared.cells]
    numbers = _wanted(question, keys, cell or {})
    wanted = None if numbers is None else np.isin(np.arange(len(keys)), numbers)
    steps, parts = len(question.steps), prepared.source.parts

    def harvest(block: Folded) -> np.ndarray:
        chosen = in_state(block.levels, block.opens, step, state, steps) & (block.cells >= 0)
        if wanted is not None:
            chosen &= wanted[np.maximum(block.cells, 0)]
        return parts[block.part].columns.ids_at(block.units[chosen])

    found = fold_parts(parts, prepared.plans, harvest, prepared.fold)
    # Of several attempts of one unit the figure counts each, the list names the unit once.
    return np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)


def levels(question: Question, source: Source) -> dict[int, int]:
    """Level of every customer with events, 0 for those outside the cohort."""
    return levels_of(prepare(question, source))


def levels_of(prepared: Prepared) -> dict[int, int]:
    """The same of a question made ready."""
    parts = prepared.source.parts

    def harvest(block: Folded) -> tuple[np.ndarray, np.ndarray]:
        part = parts[block.part]
        rows = np.arange(block.low, block.high)
        here = np.diff(part.columns.offsets[block.low : block.high + 1].astype(np.int64)) > 0
        if part.skip is not None:
            here &= ~part.skip[block.low : block.high]
        found = np.zeros(block.high - block.low, np.uint8)
        counted = np.where(block.cells >= 0, block.levels, 0).astype(np.uint8)
        np.maximum.at(found, block.units - block.low, counted)
        return part.columns.ids_at(rows[here]), found[here]

    found: dict[int, int] = {}
    for ids, values in fold_parts(parts, prepared.plans, harvest, prepared.fold):
        found.update(zip(ids.tolist(), values.tolist(), strict=True))
    return found


def _seconds_of_members(block: Folded, *, filtered: bool) -> list[np.ndarray]:
    if not filtered:
        return [seconds.copy() for seconds in block.seconds]
    members = block.cells >= 0
    return [seconds[members[block.levels >= k]] for k, seconds in enumerate(block.seconds, start=2)]


def _quantiles(counted: Counted) -> list[tuple[float | None, float | None]]:
    """Median and p90 of the seconds from the entry to each step."""
    at_entry = (0.0, 0.0) if counted.totals.any() else (None, None)

    def work(blocks: list[np.ndarray]) -> tuple[float | None, float | None]:
        return median_and_p90(np.concatenate(blocks) if blocks else np.empty(0, np.uint32))

    return [at_entry, *in_threads(work, counted.seconds)]


def _cell_figures(
    question: Question,
    cells: list[tuple[Value, ...]],
    totals: np.ndarray,
    names: list[tuple[str, str]],
    cents: np.ndarray | None = None,
) -> tuple[CellFigures, ...]:
    """Cells that anybody entered: weeks in order of time, everything else the largest first."""
    if not question.breakdown:
        return ()
    entered = totals.sum(axis=(1, 2))
    present = np.flatnonzero(entered)
    if question.breakdown != ("week",):
        present = present[np.argsort(-entered[present], kind="stable")]
    steps = steps_of_cells(
        totals[present], names, None if cents is None else cents[present].tolist()
    )
    return tuple(CellFigures(cells[i], of) for i, of in zip(present.tolist(), steps, strict=True))


def _wanted(question: Question, cells: list[list[str]], keys: dict[str, str]) -> list[int] | None:
    """Numbers of the cells that have the given keys; None means all."""
    if not keys:
        return None
    for name in keys:
        if name not in question.breakdown:
            raise QuestionRefused(
                _("这个漏斗没有按「%(name)s」细分") % {"name": name[:40]}, field="cell"
            )
    return [
        number
        for number, cell in enumerate(cells)
        if all(
            key == keys.get(name, key) for name, key in zip(question.breakdown, cell, strict=True)
        )
    ]
