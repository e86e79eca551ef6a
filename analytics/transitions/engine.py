"""Turns a transition question into a fold over columns and its features into a matrix."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np
from django.utils.translation import gettext as _

from analytics.events.columns import NO_ROWS, Columns, Dimension, sealed
from analytics.events.folding import block_bounds, in_threads
from analytics.events.source import Source
from analytics.funnels.question import QuestionRefused
from analytics.retention.engine import zone_stretches
from analytics.transitions import kernel
from analytics.transitions.answer import TransitionAnswer
from analytics.transitions.question import TransitionQuestion
from crm.shared.times import day_end

FATIGUE_AFTER, NEW_FOR, WARM_FOR = 120 * 86_400, 30 * 86_400, 30 * 86_400
_LIFE_EVENTS = {
    "friend_added": kernel.ADDED,
    "friend_deleted_by_customer": kernel.ENDED,
    "friend_deleted_by_agent": kernel.ENDED,
    "friend_transferred": kernel.ENDED,
    "message_received": kernel.MESSAGE,
}
Result = TypeVar("Result")


@dataclass(frozen=True)
class Block:
    """Rows low..high of one part that hold events: place of the row, stage before and after."""

    part: int
    rows: np.ndarray
    before: np.ndarray
    after: np.ndarray


def answer(question: TransitionQuestion, source: Source) -> TransitionAnswer:
    """Count every pair of stages; the counts sum to everybody in scope."""
    return TransitionAnswer(question, counted(question, source), source.data_time)


def counted(question: TransitionQuestion, source: Source) -> np.ndarray:
    """How many went from each stage to each."""
    width = len(question.stages)

    def harvest(block: Block) -> np.ndarray:
        pairs = block.before * width + block.after
        return np.bincount(pairs, minlength=width * width).reshape(width, width)

    counts = np.zeros((width, width), np.int64)
    for found in _folded(question, source, harvest):
        counts += found
    _ids, before, after = _without_events(question, source)
    np.add.at(counts, (before, after), 1)
    return counts


def people(
    question: TransitionQuestion,
    source: Source,
    *,
    before: str | None = None,
    after: str | None = None,
) -> np.ndarray:
    """Sorted ids of who went from one stage to another; None means any stage."""
    wanted = [_place(question, name) for name in (before, after)]

    def chosen(*stages: np.ndarray) -> np.ndarray:
        fits = np.ones(len(stages[0]), bool)
        for place, found in zip(wanted, stages, strict=True):
            if place is not None:
                fits &= found == place
        return fits

    def harvest(block: Block) -> np.ndarray:
        rows = block.rows[chosen(block.before, block.after)]
        return source.parts[block.part].columns.ids_at(rows)

    ids, *stages = _without_events(question, source)
    return np.sort(np.concatenate([*_folded(question, source, harvest), ids[chosen(*stages)]]))


def stage_of_each(question: TransitionQuestion, source: Source) -> dict[int, tuple[str, str]]:
    """Both stages of everybody, by id."""
    names = question.stages

    def harvest(block: Block) -> list[tuple[int, int, int]]:
        ids = source.parts[block.part].columns.ids_at(block.rows)
        return list(zip(ids.tolist(), block.before.tolist(), block.after.tolist(), strict=True))

    rows = [row for found in _folded(question, source, harvest) for row in found]
    rows += zip(*(array.tolist() for array in _without_events(question, source)), strict=True)
    return {pk: (names[before], names[after]) for pk, before, after in rows}


def _place(question: TransitionQuestion, name: str | None) -> int | None:
    if name is None:
        return None
    if name not in question.stages:
        raise QuestionRefused(_("没有阶段「%(stage)s」") % {"stage": name[:40]}, field="stage")
    return question.stages.index(name)


def _without_events(
    question: TransitionQuestion, source: Source
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Customers of whom nothing is told yet: known since a moment, else not known."""
    ids, since = source.without_events()
    stages = [
        ((since > 0) & (since < int(day_end(day).timestamp()))).astype(np.int64)
        for day in (question.since, question.until)
    ]
    return ids, stages[0], stages[1]


def _folded(
    question: TransitionQuestion, source: Source, harvest: Callable[[Block], Result]
) -> list[Result]:
    kinds = _kinds(question, source)
    cuts = np.array([int(day_end(d).timestamp()) for d in (question.since, question.until)])
    zone = zone_stretches(source.span[0], max(source.span[1], int(cuts[-1])))
    parts = source.parts
    prepared = [_part(question, source, number, kinds) for number in range(len(parts))]
    blocks = [
        (number, low, high)
        for number, part in enumerate(parts)
        for low, high in pairwise(block_bounds(part.columns.offsets))
    ]

    def work(block: tuple[int, int, int]) -> Result:
        number, low, high = block
        part, columns = parts[number], parts[number].columns
        masks, codes, agents, void_rows, voids = prepared[number]
        skip = sealed(np.empty(0, np.uint8) if part.skip is None else part.skip.view(np.uint8))
        features = np.empty((high - low, len(cuts), kernel.FEATURES), np.int64)
        kernel.fold(
            low, high, columns.offsets, codes, masks, columns.seconds, agents.rows, agents.codes,
            void_rows, voids, skip, *zone, cuts, features,
        )  # fmt: skip
        here = np.diff(columns.offsets[low : high + 1].astype(np.int64)) > 0
        if part.skip is not None:
            here &= ~part.skip[low:high]
        found = features[here]
        staged = _loyalty if question.by == "loyalty" else _life
        before, after = (staged(found[:, c], cuts[c]) for c in range(2))
        return harvest(Block(number, np.flatnonzero(here) + low, before, after))

    return in_threads(work, blocks)


def _kinds(question: TransitionQuestion, source: Source) -> dict[int, int]:
    """Bits of the mask by kind id, without the order's where it has conditions."""
    found = source.kind_ids({question.event.event})
    if question.event.event not in found:
        raise QuestionRefused(
            _("没有事件「%(event)s」。请从事件目录中选择，或先登记这种事件")
            % {"event": question.event.event[:64]},
            field="event",
        )
    life = source.kind_ids(_LIFE_EVENTS) if question.by == "life" else {}
    if question.by == "life" and "friend_added" not in life:
        raise QuestionRefused(
            _("这些数据里没有加微事件（friend_added），不能按生命周期统计；请改按忠诚度"),
            field="by",
        )
    bits = {kind: _LIFE_EVENTS[code] for code, kind in life.items()}
    order = found[question.event.event]
    return bits | {order: bits.get(order, 0) | kernel.ORDER}


def _part(
    question: TransitionQuestion, source: Source, number: int, kinds: dict[int, int]
) -> tuple[np.ndarray, np.ndarray, Dimension, np.ndarray, np.ndarray]:
    """(mask per code, code per event, agents, rows of orders given back, when) of one part."""
    columns = source.parts[number].columns
    masks = np.array([kinds.get(int(kind), 0) for kind in columns.kind_ids] or [0], np.uint8)
    codes = columns.kinds
    order = next(kind for kind, bits in kinds.items() if bits & kernel.ORDER)
    if question.event.conditions:
        rows = np.flatnonzero(columns.kinds == _code(columns, order))
        codes = masks[columns.kinds]
        meets = source.matching(order, question.event.conditions, number)
        codes[rows[~meets]] &= ~np.uint8(kernel.ORDER)
        masks = np.arange(16, dtype=np.uint8)
    agents = columns.dimensions.get("agent") or Dimension(np.empty(0, np.uint8), NO_ROWS, NO_ROWS)
    return sealed(masks), sealed(codes), agents, *_voids(source, number, order)


def _voids(source: Source, number: int, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Event rows of orders that were given back, in order, and the seconds when they were."""
    columns = source.parts[number].columns
    ids, paid, back = source.given_back(order, number)
    code, taken = _code(columns, order), {}
    for customer, second, returned in zip(ids.tolist(), paid.tolist(), back.tolist(), strict=True):
        for row in columns.rows_of(np.array([customer])):
            start, stop = int(columns.offsets[row]), int(columns.offsets[row + 1])
            at = start + np.searchsorted(columns.seconds[start:stop], second)
            while at < stop and columns.seconds[at] == second:
                if columns.kinds[at] == code and at not in taken:
                    taken[int(at)] = returned
                    break
                at += 1
    rows = np.array(sorted(taken), np.int64)
    return sealed(rows), sealed(np.array([taken[row] for row in rows.tolist()], np.int64))


def _code(columns: Columns, kind: int) -> int:
    places = np.flatnonzero(columns.kind_ids == kind)
    return int(places[0]) if len(places) else -1


def _loyalty(features: np.ndarray, _cut: int) -> np.ndarray:
    bought = np.minimum(features[:, kernel.DAYS], 2)
    return np.where(features[:, kernel.EVENTS] > 0, 1 + bought, 0)


def _life(features: np.ndarray, cut: int) -> np.ndarray:
    """See `question`; the first rule that holds decides."""
    days, last_order = features[:, kernel.DAYS], features[:, kernel.LAST_ORDER]
    added = features[:, kernel.FIRST_ADDED]
    silent = np.maximum(last_order, features[:, kernel.LAST_MESSAGE]) < cut - FATIGUE_AFTER
    was_added = added != kernel.NEVER
    return np.select(
        [
            features[:, kernel.EVENTS] == 0,
            was_added & (features[:, kernel.FRIENDS] == 0),
            (days > 0) & silent,
            (days >= 2) | ((days == 1) & (last_order >= cut - WARM_FOR)),
            (days == 1) | (was_added & (added < cut - NEW_FOR)),
        ],
        [0, 5, 4, 3, 2],
        1,
    )
