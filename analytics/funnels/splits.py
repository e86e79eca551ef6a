"""Breakdowns and filters: which cell a customer stands in, by a value as of the entry."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from django.utils.translation import gettext as _

from analytics.events.columns import NO_ROWS, Dimension, sealed, smallest_unsigned
from analytics.events.folding import Axis
from analytics.events.source import UNKNOWN_KEY, Source, Value
from analytics.funnels.question import (
    MAX_CELLS,
    PROPERTY,
    Question,
    QuestionRefused,
    touch_of,
)
from crm.shared.times import day_start, local_day

# A team is the team of the agent whom the entry names.
_DIMENSION_OF = {"channel": "channel", "agent": "agent", "team": "agent", "stage": ""}


@dataclass(frozen=True)
class Split:
    """Cells of one attribute and, for each part of the source, how a code leads to its cell."""

    values: tuple[Value, ...]
    axes: tuple[Axis, ...]

    def only(self, keys: Iterable[str], name: str) -> "Split":
        """A filter: one cell for the customers with these keys or labels, none for the others."""
        wanted = set(keys)
        chosen = np.array([bool({v.key, v.label} & wanted) for v in self.values], bool)
        if not chosen.any():
            raise QuestionRefused(
                _("没有客户的「%(name)s」是「%(values)s」")
                % {"name": name, "values": "、".join(sorted(wanted))[:80]},
                field="filters",
            )
        return Split(
            self.values,
            tuple(
                replace(axis, width=1, places=np.where(chosen[axis.places], 0, -1).astype(np.int32))
                for axis in self.axes
            ),
        )


def split_by(name: str, question: Question, source: Source) -> Split:
    """The cells of one breakdown or filter."""
    name, touch = touch_of(name)
    if name == "week":
        return _by_week(question, source)
    if name.startswith(PROPERTY):
        return _by_property(name.removeprefix(PROPERTY), touch, question, source)
    dimension = _DIMENSION_OF[name]
    dictionaries = [
        _own_first(
            part.columns.dimensions.get(dimension),
            None if touch else source.own_ids(name, number),
        )
        for number, part in enumerate(source.parts)
    ]
    ids = np.unique(np.concatenate([d.ids for d in dictionaries] or [np.empty(0, np.int64)]))
    groups = source.teams(ids.tolist()) if name == "team" else {int(i): int(i) for i in ids}
    present = sorted(set(groups.values()))
    named = source.values(name, present)
    values = (Value(UNKNOWN_KEY, _("未知")), *(named[i] for i in present))
    cell_of = {group: cell for cell, group in enumerate(present, start=1)}
    axes = []
    for found in dictionaries:
        places = [0, *(cell_of.get(groups.get(int(i), 0), 0) for i in found.ids)]
        axes.append(
            Axis(len(values), np.array(places, np.int32), found.dimension, found.own, touch=touch)
        )
    return Split(values, tuple(axes))


def _by_property(name: str, touch: int, question: Question, source: Source) -> Split:
    """What an event of the chain says of a property; only values that steps' events say."""
    kinds = source.kind_ids({step.event for step in question.steps}).values()
    said = [source.texts(name, number) for number in range(len(source.parts))]
    present: set[str] = set()
    for texts, part in zip(said, source.parts, strict=True):
        columns = part.columns
        asked = np.isin(columns.kind_ids, list(kinds))[columns.kinds]
        present |= {texts.values[code] for code in np.unique(texts.codes[asked])}
    names = sorted(present - {""})
    if len(names) >= MAX_CELLS:
        raise QuestionRefused(
            _("「%(name)s」有 %(n)s 种值，太多了，没法细分；请换一个属性")
            % {"name": name, "n": len(names)},
            field="breakdown",
        )
    cell_of = {value: cell for cell, value in enumerate(names, start=1)}
    values = (Value(UNKNOWN_KEY, _("未知")), *(Value(value, value) for value in names))
    axes = []
    for texts in said:
        places = np.array([cell_of.get(value, 0) for value in texts.values], np.int32)
        codes = sealed(texts.codes.astype(smallest_unsigned(len(texts.values))))
        dimension = Dimension(codes, np.arange(1, len(texts.values)), NO_ROWS)
        axes.append(Axis(len(values), places, dimension, touch=touch))
    return Split(values, tuple(axes))


@dataclass(frozen=True)
class _Coded:
    """A dimension whose codes also cover the customers' own values."""

    ids: np.ndarray
    dimension: Dimension
    own: np.ndarray


def _own_first(dimension: Dimension | None, own_ids: np.ndarray | None) -> _Coded:
    found = dimension or Dimension(np.empty(0, np.uint8), np.empty(0, np.int64), NO_ROWS)
    ids = np.asarray(found.values, np.int64)
    if own_ids is None:
        return _Coded(ids, found, np.empty(0, np.uint8))
    ids = np.concatenate((ids, np.setdiff1d(own_ids[own_ids != 0], ids)))
    order = np.argsort(ids, kind="stable")
    codes = np.zeros(len(own_ids), np.int64)
    if len(ids):
        at = np.minimum(np.searchsorted(ids, own_ids, sorter=order), len(ids) - 1)
        codes = np.where(own_ids == 0, 0, order[at] + 1)
    return _Coded(ids, found, codes.astype(smallest_unsigned(len(ids))))


def _by_week(question: Question, source: Source) -> Split:
    """Weeks of the corporation, from Monday, that an entry can lie in."""
    first, last = (datetime.fromtimestamp(second, UTC) for second in source.span)
    since, until = question.cohort
    day = local_day(max(first, since) if since else first)
    end = local_day(min(last, until) if until else last)
    day -= timedelta(days=day.weekday())
    mondays = [day]
    while (day := day + timedelta(days=7)) <= end:
        mondays.append(day)
    values = tuple(Value(monday.isoformat(), monday.isoformat()) for monday in mondays)
    edges = sealed(np.array([int(day_start(d).timestamp()) for d in mondays], np.int64))
    places = np.arange(len(mondays), dtype=np.int32)
    axis = Axis(len(mondays), places, edges=edges)
    return Split(values, tuple(axis for _part in source.parts))
