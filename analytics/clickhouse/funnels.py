"""The `clickhouse` engine of funnels: the same question, the same answer, folded in SQL."""

from datetime import datetime
from typing import Any

import numpy as np
from django.utils.translation import gettext as _

from analytics.clickhouse import sliced
from analytics.clickhouse.connection import text
from analytics.clickhouse.funnel import SECOND, Folded
from analytics.clickhouse.source import ClickHouseSource
from analytics.events.kernel import OPEN, YOUNG
from analytics.events.source import UNKNOWN_KEY, Value
from analytics.funnels.answer import Answer, CellFigures, step_figures
from analytics.funnels.question import CUSTOMER, MAX_CELLS, Question, QuestionRefused
from analytics.funnels.resolving import check_figure, resolve, step_names

STATES = YOUNG + 1


def answer(
    question: Question, source: ClickHouseSource, labels: dict[str, str] | None = None
) -> Answer:
    """Count every step and cell of the question; `labels` names events for people."""
    if sliced.is_sliced(question):
        return sliced.answer(question, source, labels or {})
    folded, as_of = _prepared(question, source)
    cells = _Cells(folded)
    steps, names = len(question.steps), step_names(question, labels or {})
    figures: dict[tuple[Value, ...], np.ndarray] = {}
    for cell, level, state, count in cells.counts():
        totals = figures.setdefault(cell, np.zeros((steps, STATES), np.int64))
        totals[level - 1, state] += count
    if len(figures) > MAX_CELLS:
        raise QuestionRefused(
            _("细分后的格子过多，请缩小日期范围或少选一个维度"), field="breakdown"
        )
    total = sum(figures.values(), np.zeros((steps, STATES), np.int64))
    return Answer(
        question=question,
        steps=step_figures(total, names, _quantiles(cells, steps, bool(total.any()))),
        cells=_cell_figures(question, figures, names),
        data_time=source.data_time,
        as_of=as_of,
    )


def people(
    question: Question,
    source: ClickHouseSource,
    *,
    step: int,
    state: str,
    cell: dict[str, str] | None = None,
) -> np.ndarray:
    """Sorted ids of exactly the customers whom a figure counts."""
    check_figure(question, step, state)
    if sliced.is_sliced(question):
        return sliced.people(question, source, step=step, state=state, cell=cell)
    for name in cell or {}:
        if name not in question.breakdown:
            raise QuestionRefused(
                _("这个漏斗没有按「%(name)s」细分") % {"name": name[:40]}, field="cell"
            )
    folded, _as_of = _prepared(question, source)
    return np.array(_Cells(folded).ids(_in_state(question, step, state), cell or {}), np.int64)


def levels(question: Question, source: ClickHouseSource) -> dict[int, int]:
    """Level of every customer with events, 0 for those outside the cohort."""
    if sliced.is_sliced(question) and question.unit != CUSTOMER:
        return sliced.levels(question, source)
    everybody = source.house.rows(f"select distinct customer from facts where {source.where}")
    found = {int(customer): 0 for [customer] in everybody}
    if sliced.is_sliced(question):
        return found | sliced.levels(question, source)
    folded, _as_of = _prepared(question, source)
    return found | _Cells(folded).levels()


def _prepared(question: Question, source: ClickHouseSource) -> tuple[Folded, datetime]:
    source.check_loaded()
    _kinds, as_of = resolve(question, source)
    return Folded.of(question, source, as_of), as_of


class _Cells:
    """The `cells` of a folded question, and how their names become values."""

    def __init__(self, folded: Folded) -> None:
        self._question, self._source = folded.question, folded.source
        self._with = folded.cells()

    def counts(self) -> list[tuple[tuple[Value, ...], int, int, int]]:
        """(cell, level, state, customers) of those whom the filters keep."""
        columns = ", ".join(self._columns())
        rows = self._rows(
            f"select level, state, count(){', ' + columns if columns else ''} from cells"
            f" where {self._kept({})} group by all"
        )
        values = self._values([row[3:] for row in rows])
        return [
            (cell, int(row[0]), int(row[1]), int(row[2]))
            for cell, row in zip(values, rows, strict=True)
        ]

    def quantiles(self) -> dict[int, tuple[float, float]]:
        """Median and p90 of the seconds from the entry to each step but the first."""
        rows = self._rows(
            "select step, length(s) as n, [s[intDiv(n - 1, 2) + 1], s[intDiv(n, 2) + 1]],"
            " [s[toUInt64(floor(0.9 * (n - 1))) + 1],"
            " s[least(toUInt64(floor(0.9 * (n - 1))) + 2, n)]]"
            f" from (select step, arraySort(groupArray(intDiv(at - entry_at, {SECOND}))) as s"
            " from cells array join times as at, arrayEnumerate(times) as step"
            f" where step > 1 and {self._kept({})} group by step)"
        )
        return {
            int(step): (_between(0.5 * (int(n) - 1), middle), _between(0.9 * (int(n) - 1), tail))
            for step, n, middle, tail in rows
        }

    def ids(self, condition: str, cell: dict[str, str]) -> list[int]:
        rows = self._rows(
            f"select customer from cells where {condition} and {self._kept(cell)} order by customer"
        )
        return [int(customer) for [customer] in rows]

    def levels(self) -> dict[int, int]:
        rows = self._rows(f"select customer, level from cells where {self._kept({})}")
        return {int(customer): int(level) for customer, level in rows}

    def _rows(self, select: str) -> list[list[Any]]:
        return self._source.house.rows(f"{self._with} {select}")

    def _columns(self) -> list[str]:
        return ["agent" if name == "team" else name for name in self._question.breakdown]

    def _values(self, rows: list[list[str]]) -> list[tuple[Value, ...]]:
        columns = [
            self._named(name, [row[place] for row in rows])
            for place, name in enumerate(self._question.breakdown)
        ]
        return list(zip(*columns, strict=True)) if columns else [()] * len(rows)

    def _named(self, name: str, found: list[str]) -> list[Value]:
        """What a column's names mean; the same agents' teams are the same value."""
        if name == "week":
            return [Value(week, week) for week in found]
        present = sorted(set(found) - {""})
        groups = self._source.teams(present) if name == "team" else {n: n for n in present}
        values = self._source.named(name, sorted(set(groups.values())))
        unknown = Value(UNKNOWN_KEY, _("未知"))
        return [values.get(groups.get(item, ""), unknown) for item in found]

    def _kept(self, cell: dict[str, str]) -> str:
        """A condition: what filters ask for, by key or label, and the given keys of a cell."""
        wanted = [(name, set(keys), True) for name, keys in self._question.filters]
        wanted += [(name, {key}, False) for name, key in cell.items()]
        return " and ".join(["1", *(self._among(*one) for one in wanted)])

    def _among(self, name: str, keys: set[str], is_filter: bool) -> str:
        column = "agent" if name == "team" else name
        rows = self._rows(f"select distinct {column} from cells")
        names = [str(row[0]) for row in rows]
        chosen = [
            item
            for item, value in zip(names, self._named(name, names), strict=True)
            if value.key in keys or (is_filter and value.label in keys)
        ]
        if is_filter and not chosen:
            raise QuestionRefused(
                _("没有客户的「%(name)s」是「%(values)s」")
                % {"name": name, "values": "、".join(sorted(keys))[:80]},
                field="filters",
            )
        listed = ", ".join(text(item) for item in chosen)
        return f"{column} in ({listed})" if chosen else "0"


def _between(place: float, neighbours: list[int]) -> float:
    """The value at a place between two, as `analytics.funnels.answer` finds it."""
    low, high = neighbours
    return low + (place % 1) * (high - low)


def _quantiles(cells: _Cells, steps: int, anybody: bool) -> list[tuple[float | None, float | None]]:
    found = cells.quantiles() if anybody and steps > 1 else {}
    at_entry = (0.0, 0.0) if anybody else (None, None)
    return [at_entry, *(found.get(k, (None, None)) for k in range(2, steps + 1))]


def _cell_figures(
    question: Question,
    figures: dict[tuple[Value, ...], np.ndarray],
    names: list[tuple[str, str]],
) -> tuple[CellFigures, ...]:
    """Weeks in order of time, everything else the largest first."""
    if not question.breakdown:
        return ()

    def order(cell: tuple[Value, ...]) -> tuple:
        keys = tuple(value.key for value in cell)
        if question.breakdown == ("week",):
            return keys
        return (-int(figures[cell].sum()), *keys)

    return tuple(
        CellFigures(cell, step_figures(figures[cell], names)) for cell in sorted(figures, key=order)
    )


def _in_state(question: Question, step: int, state: str) -> str:
    steps = len(question.steps)
    if state == "reached" or (state == "converted" and step == steps):
        return f"level >= {step}"
    if state == "converted":
        return f"level > {step}"
    if step == steps:
        return "0"
    return f"level = {step} and state {'=' if state == 'open' else '!='} {OPEN}"
