"""Breakdowns and filters: which cell a customer stands in, by a value as of the entry."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from django.utils.translation import gettext as _

from analytics.events.columns import NO_ROWS, Dimension, sealed, smallest_unsigned
from analytics.events.folding import Axis
from analytics.events.source import UNKNOWN_KEY, Source, Value
from analytics.funnels.question import Question, QuestionRefused
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
    if name == "week":
        return _by_week(question, source)
    dimension = _DIMENSION_OF[name]
    dictionaries = [
        _own_first(part.columns.dimensions.get(dimension), source.own_ids(name, number))
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
        axes.append(Axis(len(values), np.array(places, np.int32), found.dimension, own=found.own))
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
