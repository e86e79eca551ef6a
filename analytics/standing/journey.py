"""The standing question and its answer: how far the standard journey goes, by channel, week, agent.

Means what the funnel question of the standard journey means (ordered, 30 days, any entry), so both
pages say the same; this one is read from cubes and is there at once for ten million customers.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from analytics.charts.rates import Rate
from crm.shared.errors import DomainError
from crm.timeline.catalogue import STANDARD_JOURNEY

DEFINITION_VERSION = 1
STEPS = len(STANDARD_JOURNEY)
SPLITS = ("channel", "week", "agent")
MAX_DAYS = 800


class JourneyRefused(DomainError):
    """The journey cannot be shown as asked; the message names the field and the remedy."""

    code = "impossible_question"


@dataclass(frozen=True)
class JourneyQuestion:
    """Days of the entry, both included, and what the rows are."""

    since: date
    until: date
    by: str = "channel"

    def __post_init__(self) -> None:
        if self.by not in SPLITS:
            raise JourneyRefused(
                _("「%(value)s」不可选，请从 %(choices)s 中选一个")
                % {"value": self.by[:40], "choices": "、".join(SPLITS)},
                field="by",
            )
        if self.since > self.until:
            raise JourneyRefused(
                _("开始日期（%(since)s）晚于结束日期（%(until)s），请对调")
                % {"since": self.since, "until": self.until},
                field="from",
            )
        if (self.until - self.since).days >= MAX_DAYS:
            raise JourneyRefused(
                _("一次最多 %(n)s 天，请缩短日期范围") % {"n": MAX_DAYS}, field="from"
            )

    def as_json(self) -> dict[str, Any]:
        """The question in the words of page and API."""
        return {"from": self.since.isoformat(), "to": self.until.isoformat(), "by": self.by}


@dataclass
class Cell:
    """Customers of one row by the level they reached, and how many may still rise."""

    key: str
    label: str
    levels: list[int] = field(default_factory=lambda: [0] * STEPS)
    open: int = 0

    def reached(self, step: int) -> int:
        """Customers of level >= step; steps count from 1."""
        return sum(self.levels[step - 1 :])

    def share(self, step: int) -> Rate:
        """Reached of all entries."""
        return Rate(self.reached(step), self.reached(1))

    def as_json(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "label": self.label,
            "reached": [self.reached(step) for step in range(1, STEPS + 1)],
            "open": self.open,
        }


@dataclass(frozen=True)
class JourneyAnswer:
    """Rows in order, and their sum."""

    question: JourneyQuestion
    cells: list[Cell]
    data_time: datetime

    @property
    def total(self) -> Cell:
        """All rows together."""
        total = Cell("", "")
        for cell in self.cells:
            total.levels = [a + b for a, b in zip(total.levels, cell.levels, strict=True)]
            total.open += cell.open
        return total

    def as_json(self) -> dict[str, Any]:
        return {
            "question": self.question.as_json(),
            "steps": list(STANDARD_JOURNEY),
            "total": self.total.as_json(),
            "cells": [cell.as_json() for cell in self.cells],
            "data_time": self.data_time,
            "definition_version": DEFINITION_VERSION,
        }


def monday(day: date) -> date:
    """The Monday of a day's week."""
    return day - timedelta(days=day.weekday())


def summed(rows: Iterable[tuple]) -> dict[Any, list[int]]:
    """(key, n1..n6) rows added up by key."""
    found: dict[Any, list[int]] = defaultdict(lambda: [0] * STEPS)
    for key, *levels in rows:
        found[key] = [a + (b or 0) for a, b in zip(found[key], levels, strict=True)]
    return found
