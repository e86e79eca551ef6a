"""Funnels that one statement cannot say, folded slice by slice and added up.

Everything that `analytics.funnels.question` offers beyond the plain question is answered here, by
the very folds that columns have.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from django.utils.translation import gettext as _

from analytics.clickhouse.slices import Need, Slice, slices
from analytics.clickhouse.source import ClickHouseSource
from analytics.events.regrouped import RegroupedSource, of_unit
from analytics.events.source import Value
from analytics.funnels import engine
from analytics.funnels.answer import Answer
from analytics.funnels.planning import Prepared, prepare
from analytics.funnels.question import (
    CUSTOMER,
    DIMENSIONS,
    MAX_CELLS,
    Question,
    QuestionRefused,
    touch_of,
)
from analytics.funnels.resolving import resolve
from analytics.funnels.splits import split_by

_READ_OF = {"channel": "channel", "agent": "agent", "team": "agent"}


def is_sliced(question: Question) -> bool:
    """Whether the question is more than a statement says: options, or an event in two guises."""
    sorts = set(question.steps)
    return bool(question.extras) or len({step.event for step in sorts}) < len(sorts)


def answer(question: Question, source: ClickHouseSource, labels: dict[str, str]) -> Answer:
    """Count every step and cell, as `analytics.funnels.engine.answer` does."""
    total = _Total(question)
    for prepared in _prepared(question, source):
        total.take(prepared, engine.count(prepared))
    return engine.told(question, total.counted(), labels, source.data_time, total.as_of)


def people(
    question: Question,
    source: ClickHouseSource,
    *,
    step: int,
    state: str,
    cell: dict[str, str] | None = None,
) -> np.ndarray:
    """Sorted ids of the customers behind one figure; of sessions, of those who had them."""
    found = [np.empty(0, np.int64)]
    for prepared in _prepared(question, source):
        ids = engine.people_of(prepared, step=step, state=state, cell=cell)
        regrouped = prepared.source
        found.append(regrouped.customers_of(ids) if _is_unit(regrouped) else ids)
    return np.unique(np.concatenate(found))


def levels(question: Question, source: ClickHouseSource) -> dict[int, int]:
    """Level of every unit that the question reads of; `source.keys` names them."""
    found: dict[int, int] = {}
    for prepared in _prepared(question, source, everybody=question.unit != CUSTOMER):
        of_slice = engine.levels_of(prepared)
        if _is_unit(prepared.source):
            # Numbers of units begin at 1 in every slice.
            offset = len(source.unit_names) - 1
            source.unit_names.extend(prepared.source.names[1:])
            of_slice = {number + offset: level for number, level in of_slice.items()}
        found |= of_slice
    return found


@dataclass
class _Total:
    """What the slices come to; a cell is known by its values."""

    question: Question
    as_of: datetime | None = None
    _cells: dict[tuple[Value, ...], list] = field(default_factory=dict)
    _seconds: list[list[np.ndarray]] = field(default_factory=list)
    _values: list[set[Value]] = field(default_factory=list)

    def take(self, prepared: Prepared, counted: engine.Counted) -> None:
        """Add what one slice found."""
        self.as_of = prepared.as_of
        self._values = self._values or [set() for _split in prepared.splits]
        for known, split in zip(self._values, prepared.splits, strict=True):
            known.update(split.values)
        if np.prod([len(known) for known in self._values], dtype=np.int64) > MAX_CELLS:
            raise QuestionRefused(
                _("细分后的格子过多，请缩小日期范围或少选一个维度"), field="breakdown"
            )
        for place in np.flatnonzero(counted.totals.sum(axis=(1, 2))):
            sums = self._cells.setdefault(counted.cells[place], [0, 0])
            sums[0] = sums[0] + counted.totals[place]
            sums[1] = sums[1] + (0 if counted.cents is None else counted.cents[place])
        self._seconds = self._seconds or [[] for _step in counted.seconds]
        for mine, theirs in zip(self._seconds, counted.seconds, strict=True):
            mine.extend(theirs)

    def counted(self) -> engine.Counted:
        """All slices as one count, its cells in order of their keys: weeks in order of time."""
        steps = len(self.question.steps)
        cells = sorted(self._cells, key=lambda cell: [value.key for value in cell])
        totals = np.zeros((len(cells), steps, engine.STATES), np.int64)
        cents = np.zeros((len(cells), steps), np.int64)
        for place, cell in enumerate(cells):
            totals[place], cents[place] = self._cells[cell]
        money = cents if self.question.value else None
        return engine.Counted(cells, totals, money, self._seconds)


def _prepared(
    question: Question, source: ClickHouseSource, *, everybody: bool = False
) -> Iterator[Prepared]:
    """The question made ready for each slice that a filter lets in."""
    source.check_loaded()
    resolve(question, source)
    found: set[int] = set()
    refusals: dict[int, QuestionRefused] = {}
    for one in slices(source, _need(question, source, everybody=everybody)):
        of_units = of_unit(one, question.unit)
        refused = _refused_filters(question, of_units)
        found |= set(range(len(question.filters))) - refused.keys()
        refusals |= refused
        if not refused:
            yield prepare(question, of_units)
    for place, refusal in refusals.items():
        if place not in found:
            raise refusal


def _refused_filters(
    question: Question, source: Slice | RegroupedSource
) -> dict[int, QuestionRefused]:
    """Filters whose values nobody in this slice has."""
    refused = {}
    for place, (name, keys) in enumerate(question.filters):
        try:
            split_by(name, question, source).only(keys, name)
        except QuestionRefused as refusal:
            if refusal.field != "filters":
                raise
            refused[place] = refusal
    return refused


def _need(question: Question, source: ClickHouseSource, *, everybody: bool) -> Need:
    steps = (*question.steps, *(exclusion.step for exclusion in question.exclude))
    kinds = frozenset(source.kind_ids({step.event for step in steps}).values())
    names = [*question.breakdown, *(name for name, _keys in question.filters)]
    # A value on an event of the chain is on an event of a step; one as of the entry may be older.
    as_of_entry = [name for name in names if name in DIMENSIONS and not touch_of(name)[1]]
    told = dict.fromkeys(_READ_OF[name] for name in as_of_entry if name in _READ_OF)
    # In strict order whatever happens in between counts.
    everything = everybody or question.order == "strict"
    said = "" if question.unit == CUSTOMER else question.unit.removeprefix("property:")
    return Need(None if everything else kinds, tuple(told), said)


def _is_unit(source: Slice | RegroupedSource) -> bool:
    return isinstance(source, RegroupedSource)
