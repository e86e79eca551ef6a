"""Turning a question into plans: one per part of the source, and what the cells mean."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from django.utils.translation import gettext as _

from analytics.events import chains, kernel
from analytics.events.attempts import ChainPlan, fold_attempts
from analytics.events.columns import Columns, sealed
from analytics.events.folding import Folded, Plan, fold_block
from analytics.events.regrouped import of_unit
from analytics.events.source import Source, Value
from analytics.funnels.question import MAX_CELLS, Question, QuestionRefused, Step
from analytics.funnels.resolving import resolve
from analytics.funnels.splits import Split, split_by

_ORDERS = {
    "ordered": kernel.ORDERED,
    "strict_increase": kernel.STRICT_INCREASE,
    "any": kernel.ANY_ORDER,
    "strict": chains.STRICT,
}
_END_OF_TIME = 1 << 33
_MICRO = 1_000_000


@dataclass(frozen=True)
class Prepared:
    """A question made ready for one source: a plan per part, and what the cells mean."""

    question: Question
    source: Source
    plans: list[Plan] | list[ChainPlan]
    splits: list[Split]
    as_of: datetime

    @property
    def fold(self) -> Callable[..., Folded]:
        """How its plans are folded."""
        return fold_attempts if follows_chains(self.question) else fold_block

    @property
    def cells(self) -> list[tuple[Value, ...]]:
        """Values of each cell, in order of cell numbers."""
        cells: list[tuple[Value, ...]] = [()]
        for split in self.splits:
            cells = [(*cell, value) for cell in cells for value in split.values]
        return cells


def prepare(question: Question, source: Source) -> Prepared:
    """Resolve the names in a question; raises QuestionRefused where it cannot be asked."""
    source = of_unit(source, question.unit)
    kinds, as_of = resolve(question, source)
    splits = [split_by(name, question, source) for name in question.breakdown]
    filters = [split_by(name, question, source).only(keys, name) for name, keys in question.filters]
    if np.prod([len(split.values) for split in splits], dtype=np.int64) > MAX_CELLS:
        raise QuestionRefused(
            _("细分后的格子过多，请缩小日期范围或少选一个维度"), field="breakdown"
        )
    make = _chain_plan if follows_chains(question) else _plan
    plans = []
    for number in range(len(source.parts)):
        axes = tuple(split.axes[number] for split in (*splits, *filters))
        plans.append(make(question, source, number, kinds, as_of, axes))
    return Prepared(question, source, plans, splits, as_of)


def follows_chains(question: Question) -> bool:
    """Whether the question needs more than the one-pass fold."""
    return bool(set(question.extras) - {"unit"})


def _plan(question, source, number, kinds, as_of, axes) -> Plan:
    masks, codes = _masks(question, source.parts[number].columns, number, kinds, source)
    return Plan(masks, _settings(question, as_of), axes, codes)


def _chain_plan(question, source, number, kinds, as_of, axes) -> ChainPlan:
    columns, steps = source.parts[number].columns, len(question.steps)
    masks, codes = _masks(question, columns, number, kinds, source)
    excluded = [exclusion.step for exclusion in question.exclude]
    bits, bit_codes = _bits(excluded, columns, number, kinds, source)
    by_event = codes is not None or bit_codes is not None
    if by_event:
        masks = masks[columns.kinds] if codes is None else codes
        bits = bits[columns.kinds] if bit_codes is None else bit_codes
    held = np.empty(0, np.int32)
    if question.hold:
        held = source.texts(question.hold, number).codes
    return ChainPlan(
        masks=masks,
        exclusions=bits.astype(np.uint8),
        held=held,
        settings=_chain_settings(question, as_of),
        longest=_micros(question.longest_gaps),
        shortest=_micros(question.shortest_gaps),
        bans=np.array(
            [(one.after, min(one.before, steps)) for one in question.exclude], np.int64
        ).reshape(-1, 2),
        by_event=by_event,
        axes=axes,
    )


def _micros(seconds: tuple[int, ...]) -> np.ndarray:
    """Bounds by number of steps done: place k is from the k-th step to the next."""
    return np.array([0, *seconds, 0], np.int64) * _MICRO


def _chain_settings(question: Question, as_of: datetime) -> np.ndarray:
    since, until = question.cohort
    settings = np.zeros(chains.SETTINGS, np.int64)
    settings[chains.STEPS] = len(question.steps)
    settings[chains.WINDOW] = question.window * _MICRO
    settings[chains.SINCE] = _micro(since) if since else 0
    settings[chains.UNTIL] = _micro(until) if until else _END_OF_TIME * _MICRO
    settings[chains.CUT] = _micro(question.as_of) if question.as_of else _END_OF_TIME * _MICRO
    settings[chains.NOW] = _micro(as_of)
    settings[chains.ORDER] = _ORDERS[question.order]
    settings[chains.FIRST_ONLY] = question.entry == "first"
    settings[chains.TOTALS] = question.count == "totals"
    settings[chains.HELD] = bool(question.hold)
    settings[chains.BOUNDED] = bool(question.step_window)
    return settings


def _micro(moment: datetime) -> int:
    second, micro = _second_and_micro(moment)
    return second * _MICRO + micro


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
    masks, codes = _bits(question.steps, columns, number, kinds, source)
    if codes is None or follows_chains(question):
        return masks, codes
    return np.arange(1 << len(question.steps), dtype=np.uint16), sealed(codes)


def _bits(
    steps: Sequence[Step], columns: Columns, number: int, kinds: dict[str, int], source: Source
) -> tuple[np.ndarray, np.ndarray | None]:
    """One bit per step: by code of the event's kind and, where conditions are asked, by event."""
    code_of = {int(kind): code for code, kind in enumerate(columns.kind_ids)}
    masks = np.zeros(max(len(columns.kind_ids), 1), np.uint16)
    conditional = []
    for k, step in enumerate(steps):
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
    return masks, codes
