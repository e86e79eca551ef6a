"""The answer to a funnel question: figures per step and per cell, each of which opens."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from analytics.charts.rates import Rate
from analytics.events.source import Value
from analytics.funnels.question import Question


class StepFigures(NamedTuple):
    """One step: who reached it and what became of them; see `question` for the three states.

    `median_seconds` and `p90_seconds` run from the entry to this step, over those who reached it;
    `value_cents` is the sum of the question's value over their events of this step. A tuple:
    answers have thousands of them, and objects take ten times as long to make.
    """

    number: int
    step: str
    label: str
    reached: int
    converted: int
    dropped: int
    open: int
    reached_first: int
    reached_previous: int
    median_seconds: float | None = None
    p90_seconds: float | None = None
    value_cents: int | None = None
    settled: int = 0
    settled_first: int = 0
    settled_previous: int = 0

    @property
    def of_first(self) -> Rate:
        """Share of those who entered; its interval is the overall rate's."""
        return Rate(self.reached, self.reached_first)

    @property
    def settled_of_first(self) -> Rate:
        """Share of those who entered, among people whose windows are all over.

        Read early it estimates what all will come to; the interval says how well.
        """
        return Rate(self.settled, self.settled_first)

    @property
    def settled_of_previous(self) -> Rate:
        """Share of those who reached the step before, among people whose windows are all over."""
        return Rate(self.settled, self.settled_previous)

    @property
    def of_previous(self) -> Rate:
        """Share of those who reached the step before (of the first step: everybody)."""
        return Rate(self.reached, self.reached_previous)

    def as_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "step": self.step,
            "label": self.label,
            "reached": self.reached,
            "converted": self.converted,
            "dropped": self.dropped,
            "open": self.open,
            "rate_of_first": self.of_first.as_json(),
            "rate_of_previous": self.of_previous.as_json(),
            "settled": self.settled,
            "settled_rate_of_first": self.settled_of_first.as_json(),
            "settled_rate_of_previous": self.settled_of_previous.as_json(),
            "median_seconds": self.median_seconds,
            "p90_seconds": self.p90_seconds,
            "value_cents": self.value_cents,
        }


@dataclass(frozen=True)
class CellFigures:
    """The steps of one breakdown cell; `values` follow the question's breakdown."""

    values: tuple[Value, ...]
    steps: tuple[StepFigures, ...]


@dataclass(frozen=True)
class Answer:
    """Figures of a question, the moment the data reach, and the moment windows are measured at."""

    question: Question
    steps: tuple[StepFigures, ...]
    cells: tuple[CellFigures, ...]
    data_time: datetime
    as_of: datetime
    previous: "Answer | None" = None
    token: str = ""  # By which its people are found again; empty where they were not kept.

    def as_json(self) -> dict[str, Any]:
        names = self.question.breakdown
        return {
            "steps": [step.as_json() for step in self.steps],
            "cells": [
                {
                    "cell": {n: v.key for n, v in zip(names, cell.values, strict=True)},
                    "labels": {n: v.label for n, v in zip(names, cell.values, strict=True)},
                    "steps": [step.as_json() for step in cell.steps],
                }
                for cell in self.cells
            ],
            "data_time": self.data_time.isoformat(),
            "as_of": self.as_of.isoformat(),
            "question": self.question.as_json(),
            "previous": self.previous.as_json() if self.previous else None,
        }


def step_figures(
    counts: np.ndarray,
    names: list[tuple[str, str]],
    quantiles: list[tuple[float | None, float | None]] | None = None,
    cents: list[int] | None = None,
) -> tuple[StepFigures, ...]:
    """Figures from counts[level - 1, state]; `names` are (step, label).

    States are settled, open and young; see `kernel`.
    """
    [steps] = steps_of_cells(counts[np.newaxis], names, None if cents is None else [cents])
    if not quantiles:
        return steps
    return tuple(
        step._replace(median_seconds=median, p90_seconds=p90)
        for step, (median, p90) in zip(steps, quantiles, strict=True)
    )


def steps_of_cells(
    counts: np.ndarray, names: list[tuple[str, str]], cents: Sequence[list[int]] | None = None
) -> list[tuple[StepFigures, ...]]:
    """The same of many cells at once, from counts[cell, level - 1, state]; without quantiles."""
    at_level = counts.sum(axis=2)
    rows = zip(
        _at_least(at_level).tolist(),
        _at_least(counts[:, :, 0]).tolist(),
        at_level.tolist(),
        counts[:, :, 1].tolist(),
        cents or [[None] * len(names)] * len(counts),
        strict=True,
    )
    return [_steps(names, *row) for row in rows]


def _steps(
    names: list[tuple[str, str]],
    reached: list[int],
    settled: list[int],
    stayed: list[int],
    still_open: list[int],
    cents: Sequence[int | None],
) -> tuple[StepFigures, ...]:
    last = len(names) - 1
    return tuple(
        StepFigures(
            k + 1,
            step,
            label,
            reached[k],
            reached[k] if k == last else reached[k + 1],
            0 if k == last else stayed[k] - still_open[k],
            0 if k == last else still_open[k],
            reached[0],
            reached[max(k - 1, 0)],
            None,
            None,
            cents[k],
            settled[k],
            settled[0],
            settled[max(k - 1, 0)],
        )
        for k, (step, label) in enumerate(names)
    )


def _at_least(at_level: np.ndarray) -> np.ndarray:
    """How many stand at each level or above, by cell."""
    return at_level[:, ::-1].cumsum(axis=1)[:, ::-1]


def median_and_p90(values: np.ndarray) -> tuple[float | None, float | None]:
    """Quantiles with linear interpolation between the two nearest values; None without values."""
    if not len(values):
        return None, None
    middle, share = divmod((len(values) - 1) / 2, 1)
    halves = np.partition(values, int(middle))
    upper = halves[int(middle) :]
    tail, tail_share = divmod(0.9 * (len(values) - 1), 1)
    ends = np.partition(upper, int(tail) - int(middle))
    return (
        _between(halves, int(middle), share),
        _between(ends, int(tail) - int(middle), tail_share),
    )


def _between(partitioned: np.ndarray, place: int, share: float) -> float:
    """The value at `place` and, by `share`, the next larger one."""
    low = float(partitioned[place])
    if not share or place + 1 == len(partitioned):
        return low
    return low + share * (float(partitioned[place + 1 :].min()) - low)
