"""The `columns` engine: turns a question into a fold over columns and its counts into an answer."""

from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock

import numpy as np
from django.utils.translation import gettext as _

from analytics.events import kernel
from analytics.events.columns import Columns, sealed
from analytics.events.folding import Folded, Plan, fold_parts, in_threads
from analytics.events.source import Source, Value
from analytics.funnels.answer import Answer, CellFigures, median_and_p90, step_figures
from analytics.funnels.question import MAX_CELLS, Question, QuestionRefused
from analytics.funnels.resolving import check_figure, refuse_extras, resolve, step_names
from analytics.funnels.splits import Split, split_by

_ORDERS = {
    "ordered": kernel.ORDERED,
    "strict_increase": kernel.STRICT_INCREASE,
    "any": kernel.ANY_ORDER,
}
_END_OF_TIME = 1 << 33


@dataclass(frozen=True)
class Prepared:
    """A question made ready for one source: a plan per part, and what the cells mean."""

    question: Question
    source: Source
    plans: list[Plan]
    splits: list[Split]
    as_of: datetime

    @property
    def cells(self) -> list[tuple[Value, ...]]:
        """Values of each cell, in order of cell numbers."""
        cells: list[tuple[Value, ...]] = [()]
        for split in self.splits:
            cells = [(*cell, value) for cell in cells for value in split.values]
        return cells


def answer(question: Question, source: Source, labels: dict[str, str] | None = None) -> Answer:
    """Count every step and cell of the question; `labels` names events for people."""
    prepared = prepare(question, source)
    steps = len(question.steps)
    cells = prepared.cells
    totals = np.zeros((len(cells), steps, 2), np.int64)
    lock = Lock()

    def harvest(block: Folded) -> list[np.ndarray]:
        counts = np.zeros(totals.shape, np.int64)
        kernel.tally(block.levels, block.opens, block.cells, counts)
        with lock:
            totals.__iadd__(counts)
        return _seconds_of_members(block, filtered=bool(question.filters))

    collected = fold_parts(source.parts, prepared.plans, harvest)
    names = step_names(question, labels or {})
    return Answer(
        question=question,
        steps=step_figures(totals.sum(axis=0), names, _quantiles(collected, steps, totals)),
        cells=_cell_figures(question, cells, totals, names),
        data_time=source.data_time,
        as_of=prepared.as_of,
    )


def people(
    question: Question, source: Source, *, step: int, state: str, cell: dict[str, str] | None = None
) -> np.ndarray:
    """Sorted ids of exactly the customers behind one figure.

    `step` counts from 1; `cell` gives keys of breakdown values, and without it all are meant.
    """
    check_figure(question, step, state)
    prepared = prepare(question, source)
    wanted = _wanted_cells(prepared, cell or {})
    steps, parts = len(question.steps), source.parts

    def harvest(block: Folded) -> np.ndarray:
        chosen = _in_state(block, step, state, steps) & (block.cells >= 0)
        if wanted is not None:
            chosen &= wanted[np.maximum(block.cells, 0)]
        return parts[block.part].columns.ids_at(np.flatnonzero(chosen) + block.low)

    found = fold_parts(parts, prepared.plans, harvest)
    return np.sort(np.concatenate(found)) if found else np.empty(0, np.int64)


def levels(question: Question, source: Source) -> dict[int, int]:
    """Level of every customer with events, 0 for those outside the cohort."""
    prepared, parts = prepare(question, source), source.parts

    def harvest(block: Folded) -> tuple[np.ndarray, np.ndarray]:
        part = parts[block.part]
        rows = np.arange(block.low, block.high)
        here = np.diff(part.columns.offsets[block.low : block.high + 1].astype(np.int64)) > 0
        if part.skip is not None:
            here &= ~part.skip[block.low : block.high]
        found = np.where(block.cells >= 0, block.levels, 0)
        return part.columns.ids_at(rows[here]), found[here]

    found: dict[int, int] = {}
    for ids, values in fold_parts(parts, prepared.plans, harvest):
        found.update(zip(ids.tolist(), values.tolist(), strict=True))
    return found


def prepare(question: Question, source: Source) -> Prepared:
    """Resolve the names in a question; raises QuestionRefused where it cannot be asked."""
    refuse_extras(question)
    kinds, as_of = resolve(question, source)
    splits = [split_by(name, question, source) for name in question.breakdown]
    filters = [split_by(name, question, source).only(keys, name) for name, keys in question.filters]
    if np.prod([len(split.values) for split in splits], dtype=np.int64) > MAX_CELLS:
        raise QuestionRefused(
            _("细分后的格子过多，请缩小日期范围或少选一个维度"), field="breakdown"
        )
    settings = _settings(question, as_of)
    plans = []
    for number, part in enumerate(source.parts):
        axes = tuple(split.axes[number] for split in (*splits, *filters))
        masks, codes = _masks(question, part.columns, number, kinds, source)
        plans.append(Plan(masks, settings, axes, codes))
    return Prepared(question, source, plans, splits, as_of)


def _settings(question: Question, as_of: datetime) -> np.ndarray:
    since, until = question.cohort
    settings = np.zeros(kernel.SETTINGS, np.int64)
    settings[kernel.STEPS] = len(question.steps)
    settings[kernel.WINDOW] = question.window
    settings[kernel.SINCE] = int(since.timestamp()) if since else 0
    settings[kernel.UNTIL] = int(until.timestamp()) if until else _END_OF_TIME
    settings[kernel.NOW], settings[kernel.NOW_MICRO] = _second_and_micro(as_of)
    settings[kernel.CUT] = kernel.NO_CUT
    if question.as_of:
        settings[kernel.CUT], settings[kernel.CUT_MICRO] = _second_and_micro(question.as_of)
    settings[kernel.ORDER] = _ORDERS[question.order]
    settings[kernel.FIRST_ONLY] = question.entry == "first"
    events = [step.event for step in question.steps]
    settings[kernel.OVERLAP] = len(set(events)) < len(events)
    return settings


def _second_and_micro(moment: datetime) -> tuple[int, int]:
    utc = moment.astimezone(UTC)
    return int(utc.replace(microsecond=0).timestamp()), utc.microsecond


def _masks(
    question: Question, columns: Columns, number: int, kinds: dict[str, int], source: Source
) -> tuple[np.ndarray, np.ndarray | None]:
    """Steps that each event code matches; with conditions every event's code is its own mask."""
    code_of = {int(kind): code for code, kind in enumerate(columns.kind_ids)}
    masks = np.zeros(max(len(columns.kind_ids), 1), np.uint16)
    conditional = []
    for k, step in enumerate(question.steps):
        code = code_of.get(kinds[step.event])
        if code is None:
            continue
        if step.conditions:
            conditional.append((k, step, code))
        else:
            masks[code] |= 1 << k
    if not conditional:
        return masks, None
    codes = masks[columns.kinds]
    for k, step, code in conditional:
        rows = np.flatnonzero(columns.kinds == code)
        matching = source.matching(kinds[step.event], step.conditions, number)
        codes[rows[matching]] |= 1 << k
    return np.arange(1 << len(question.steps), dtype=np.uint16), sealed(codes)


def _seconds_of_members(block: Folded, *, filtered: bool) -> list[np.ndarray]:
    if not filtered:
        return [seconds.copy() for seconds in block.seconds]
    members = block.cells >= 0
    return [seconds[members[block.levels >= k]] for k, seconds in enumerate(block.seconds, start=2)]


def _quantiles(
    collected: list[list[np.ndarray]], steps: int, totals: np.ndarray
) -> list[tuple[float | None, float | None]]:
    """Median and p90 of the seconds from the entry to each step."""
    at_entry = (0.0, 0.0) if totals.any() else (None, None)

    def work(k: int) -> tuple[float | None, float | None]:
        blocks = [block[k] for block in collected if len(block[k])]
        return median_and_p90(np.concatenate(blocks) if blocks else np.empty(0, np.uint32))

    return [at_entry, *in_threads(work, range(steps - 1))]


def _cell_figures(
    question: Question,
    cells: list[tuple[Value, ...]],
    totals: np.ndarray,
    names: list[tuple[str, str]],
) -> tuple[CellFigures, ...]:
    """Cells that anybody entered: weeks in order of time, everything else the largest first."""
    if not question.breakdown:
        return ()
    entered = totals.sum(axis=(1, 2))
    present = np.flatnonzero(entered)
    if question.breakdown != ("week",):
        present = present[np.argsort(-entered[present], kind="stable")]
    return tuple(CellFigures(cells[i], step_figures(totals[i], names)) for i in present)


def _wanted_cells(prepared: Prepared, keys: dict[str, str]) -> np.ndarray | None:
    """Which cells have the given keys; None means all."""
    if not keys:
        return None
    names = prepared.question.breakdown
    for name in keys:
        if name not in names:
            raise QuestionRefused(
                _("这个漏斗没有按「%(name)s」细分") % {"name": name[:40]}, field="cell"
            )
    return np.array(
        [
            all(value.key == keys.get(n, value.key) for n, value in zip(names, cell, strict=True))
            for cell in prepared.cells
        ],
        bool,
    )


def _in_state(block: Folded, step: int, state: str, steps: int) -> np.ndarray:
    if state == "reached" or (state == "converted" and step == steps):
        return block.levels >= step
    if state == "converted":
        return block.levels > step
    if step == steps:
        return np.zeros(len(block.levels), bool)
    return (block.levels == step) & (block.opens == (state == "open"))
