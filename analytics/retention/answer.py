"""The answer of a retention question: cohorts by periods, every cell a rate with its interval."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from analytics.charts.rates import Rate
from analytics.retention.question import DEFINITION_VERSION, RetentionQuestion


@dataclass(frozen=True)
class Cohort:
    """Customers born in one calendar period: how many, and who of the eligible returned when."""

    start: date
    size: int
    cells: tuple[Rate, ...]


@dataclass(frozen=True)
class RetentionAnswer:
    """All cohorts with members, and the sums over cohorts for each period."""

    question: RetentionQuestion
    cohorts: tuple[Cohort, ...]
    totals: tuple[Rate, ...]
    data_time: datetime
    as_of: datetime

    @property
    def size(self) -> int:
        return sum(cohort.size for cohort in self.cohorts)

    def as_json(self) -> dict[str, Any]:
        """The answer as command and API print it."""
        ranges = self.question.ranges
        return {
            "question": self.question.as_json(),
            "size": self.size,
            "cohorts": [
                {
                    "cohort": cohort.start.isoformat(),
                    "size": cohort.size,
                    "cells": [_cell(j, rate) for j, rate in enumerate(cohort.cells)],
                }
                for cohort in self.cohorts
            ],
            "periods": [
                _cell(j, rate)
                | ({"low_day": ranges[j][0], "high_day": ranges[j][1]} if ranges else {})
                for j, rate in enumerate(self.totals)
            ],
            "data_time": self.data_time.isoformat(),
            "as_of": self.as_of.isoformat(),
            "definition_version": DEFINITION_VERSION,
        }


def _cell(period: int, rate: Rate) -> dict[str, Any]:
    return {
        "period": period,
        "eligible": rate.n,
        "returned": rate.x,
        "rate": rate.value,
        "low": rate.low,
        "high": rate.high,
    }
