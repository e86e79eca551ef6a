"""The answer to a funnel question: figures per step and per cell, each of which opens."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from analytics.charts.rates import Rate
from analytics.events.source import Value
from analytics.funnels.question import Question


@dataclass(frozen=True)
class StepFigures:
    """One step: who reached it and what became of them; see `question` for the three states.

    `median_seconds` and `p90_seconds` run from the entry to this step, over those who reached it.
    """

    number: int
    step: str
    label: str
    reached: int
    converted: int
    dropped: int
    open: int
    of_first: Rate
    of_previous: Rate
    median_seconds: float | None = None
    p90_seconds: float | None = None

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
            "median_seconds": self.median_seconds,
            "p90_seconds": self.p90_seconds,
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
        }


def step_figures(
    counts: np.ndarray,
    names: list[tuple[str, str]],
    quantiles: list[tuple[float | None, float | None]] | None = None,
) -> tuple[StepFigures, ...]:
    """Figures from counts[level - 1, is open]; `names` are (step, label)."""
    at_level = counts.sum(axis=1)
    reached = [int(n) for n in at_level[::-1].cumsum()[::-1]]
    figures = []
    for k, (step, label) in enumerate(names):
        last = k + 1 == len(names)
        median, p90 = quantiles[k] if quantiles else (None, None)
        figures.append(
            StepFigures(
                number=k + 1,
                step=step,
                label=label,
                reached=reached[k],
                converted=reached[k] if last else reached[k + 1],
                dropped=0 if last else int(counts[k, 0]),
                open=0 if last else int(counts[k, 1]),
                of_first=Rate(reached[k], reached[0]),
                of_previous=Rate(reached[k], reached[k - 1] if k else reached[0]),
                median_seconds=median,
                p90_seconds=p90,
            )
        )
    return tuple(figures)


def quantile(values: np.ndarray, share: float) -> float | None:
    """Quantile with linear interpolation between the two nearest values; None without values."""
    if not len(values):
        return None
    place = share * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    parts = np.partition(values, (low, high))
    return float(parts[low]) + (place - low) * (float(parts[high]) - float(parts[low]))
