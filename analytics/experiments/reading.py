"""Reading a trial from a file: one row per unit, or several that are put together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from django.utils.translation import gettext as _

from analytics.experiments.analysis import Trial
from analytics.experiments.wording import CONTROLS, NO, YES
from crm.imports.readers import Table, open_table
from crm.shared.errors import DomainError

MAX_ARMS = 20
PROBLEMS_SHOWN = 10


class ExperimentRefused(DomainError):
    """The file or the question cannot be answered; ``field`` names the option or column."""

    code = "experiment_refused"


@dataclass(frozen=True)
class Columns:
    """Which column is what."""

    unit: str
    treat: str
    outcomes: tuple[str, ...]
    covariates: tuple[str, ...] = ()
    cluster: str = ""


@dataclass
class Reading:
    """A trial with what was noticed while it was read."""

    trial: Trial
    rows: int
    contaminated: int
    warnings: list[str] = field(default_factory=list)


def read_trial(path: Path, columns: Columns, *, control: str | None = None) -> Reading:
    """The trial in a CSV or XLSX file.

    Rows of one unit in one arm are put together: amounts are added, yes/no is "ever". A unit found
    in several arms cannot be judged: it is left out and counted as contaminated.
    Raises ExperimentRefused (and FileRefused for a file that is no table).
    """
    with open_table(path) as table:
        return _reading(table, columns, control)


def _reading(table: Table, columns: Columns, control: str | None) -> Reading:
    rows = _Rows(table.headers, columns)
    for number, cells in table.rows:
        rows.take(number, cells)
    rows.refuse_problems()
    if not rows.units:
        raise ExperimentRefused(_("文件里没有数据行"), field="file")
    names, has_control = _arms(rows.arm_places, control)
    return rows.reading(names, has_control)


class _Rows:
    """Rows as they come: unit, arm, numbers."""

    def __init__(self, headers: Sequence[str], columns: Columns) -> None:
        self.columns = columns
        asked = {"unit": [columns.unit], "treat": [columns.treat]}
        asked |= {"outcome": columns.outcomes, "covariate": columns.covariates}
        asked |= {"cluster": [columns.cluster] if columns.cluster else []}
        place = {name: number for number, name in enumerate(headers)}
        for option, names in asked.items():
            for name in names:
                if name not in place:
                    raise ExperimentRefused(
                        _("文件里没有列「%(name)s」，可选：%(have)s")
                        % {"name": name[:60], "have": "、".join(h for h in headers if h)[:400]},
                        field=option,
                    )
        self._unit, self._treat = place[columns.unit], place[columns.treat]
        self._outcomes = [(place[name], name) for name in columns.outcomes]
        self._covariates = [(place[name], name) for name in columns.covariates]
        self._cluster = place[columns.cluster] if columns.cluster else None
        self.units: dict[str, int] = {}
        self.arm_places: dict[str, int] = {}
        self._unit_of: list[int] = []
        self._arm_of: list[int] = []
        self._clusters: list[str] = []
        self._numbers: list[list[float]] = []
        self._problems: list[str] = []
        self._problem_count = 0

    def take(self, number: int, cells: Sequence[Any]) -> None:
        """One row; what is wrong with it is kept for the refusal."""
        try:
            unit = _word(cells, self._unit, self.columns.unit)
            arm = _word(cells, self._treat, self.columns.treat)
            numbers = [_number(cells, place, name, missing=False) for place, name in self._outcomes]
            numbers += [_number(cells, at, name, missing=True) for at, name in self._covariates]
            cluster = (
                _word(cells, self._cluster, self.columns.cluster)
                if self._cluster is not None
                else ""
            )
        except ValueError as problem:
            self._problem_count += 1
            if len(self._problems) < PROBLEMS_SHOWN:
                self._problems.append(
                    _("第 %(row)s 行：%(problem)s") % {"row": number, "problem": problem}
                )
            return
        self._unit_of.append(self.units.setdefault(unit, len(self.units)))
        self._arm_of.append(self.arm_places.setdefault(arm, len(self.arm_places)))
        if len(self.arm_places) > MAX_ARMS:
            raise ExperimentRefused(
                _("列「%(name)s」有超过 %(max)s 种取值，不像分组；请选分组所在的列")
                % {"name": self.columns.treat, "max": MAX_ARMS},
                field="treat",
            )
        self._numbers.append(numbers)
        self._clusters.append(cluster)

    def refuse_problems(self) -> None:
        if self._problem_count:
            more = self._problem_count - len(self._problems)
            lines = [*self._problems]
            if more:
                lines.append(_("另有 %(n)s 行") % {"n": more})
            raise ExperimentRefused("\n".join(lines), field="file")

    def reading(self, names: Sequence[str], has_control: bool) -> Reading:
        """Rows put together by unit; arms in the order of ``names``."""
        order = np.empty(len(names), np.int64)
        for place, name in enumerate(names):
            order[self.arm_places[name]] = place
        unit, arm = np.array(self._unit_of), order[np.array(self._arm_of)]
        numbers = np.array(self._numbers, float).reshape(len(unit), -1)
        first = np.full(len(self.units), -1, np.int64)
        first[unit[::-1]] = np.arange(len(unit))[::-1]
        arms = arm[first]
        mixed = np.zeros(len(self.units), bool)
        mixed[unit[arm != arms[unit]]] = True
        kept = ~mixed
        outcomes, covariates = {}, {}
        for place, (_at, name) in enumerate(self._outcomes):
            outcomes[name] = _together(unit, numbers[:, place], len(self.units))[kept]
        for place, (_at, name) in enumerate(self._covariates, start=len(outcomes)):
            covariates[name] = _first_known(unit, numbers[:, place], len(self.units))[kept]
        clusters = np.array(self._clusters, object)[first][kept] if self.columns.cluster else None
        trial = Trial(tuple(names), has_control, arms[kept], outcomes, covariates, clusters)
        return Reading(trial, len(unit), int(mixed.sum()))


def _together(unit: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """Amounts of a unit added up; yes/no becomes "ever"."""
    total = np.bincount(unit, weights=values, minlength=count)
    if ((values == 0) | (values == 1)).all():
        return np.minimum(total, 1.0)
    return total


def _first_known(unit: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    found = np.full(count, np.nan)
    known = ~np.isnan(values)
    found[unit[known][::-1]] = values[known][::-1]
    return found


def _word(cells: Sequence[Any], place: int, name: str) -> str:
    cell = cells[place] if place < len(cells) else None
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    word = "" if cell is None else str(cell).strip()
    if not word:
        raise ValueError(_("列「%(name)s」是空的，请填上") % {"name": name})
    return word


def _number(cells: Sequence[Any], place: int, name: str, *, missing: bool) -> float:
    cell = cells[place] if place < len(cells) else None
    text = "" if cell is None else str(cell).strip().lower()
    if not text:
        if missing:
            return float("nan")
        raise ValueError(_("列「%(name)s」是空的；没有发生请写 0") % {"name": name})
    if text in YES or text in NO:
        return float(text in YES)
    try:
        number = float(text.replace(",", ""))
    except ValueError:
        number = float("nan")
    if not np.isfinite(number):
        raise ValueError(
            _("列「%(name)s」的「%(value)s」不是数字") % {"name": name, "value": text[:40]}
        )
    return number


def _arms(found: Iterable[str], control: str | None) -> tuple[list[str], bool]:
    """Arms, the control first; (arms, False) when there is nothing to compare with."""
    arms = sorted(found)
    if control is not None:
        if control not in arms:
            raise ExperimentRefused(
                _("没有一行的分组是「%(name)s」，可选：%(have)s")
                % {"name": control[:60], "have": "、".join(arms)[:400]},
                field="control",
            )
        named = [control]
    else:
        named = [arm for arm in arms if arm.lower() in CONTROLS]
        if not named and {arm.lower() for arm in arms} == {"a", "b"}:
            named = [arms[0]]
    if len(arms) == 1:
        return arms, False
    if len(named) != 1:
        raise ExperimentRefused(
            _("认不出哪一组是对照组，请用 --control 指明，可选：%(have)s")
            % {"have": "、".join(arms)[:400]},
            field="control",
        )
    return [*named, *(arm for arm in arms if arm not in named)], True


def split_of(words: Iterable[str], arms: Sequence[str]) -> dict[str, float] | None:
    """``control=1 treatment=9`` as weights; every arm must be named."""
    weights = dict(_weight(word) for word in words)
    if not weights:
        return None
    if set(weights) != set(arms):
        raise ExperimentRefused(
            _("分配比例须写出每一组，如 %(example)s")
            % {"example": " ".join(f"{arm}=1" for arm in arms)},
            field="split",
        )
    return weights


def _weight(word: str) -> tuple[str, float]:
    name, _sign, weight = word.rpartition("=")
    try:
        number = float(weight)
    except ValueError:
        number = 0.0
    if not name or not 0 < number < float("inf"):
        raise ExperimentRefused(
            _("「%(word)s」不是分配比例，请写成 组名=权重，如 control=1") % {"word": word[:60]},
            field="split",
        )
    return name, number
