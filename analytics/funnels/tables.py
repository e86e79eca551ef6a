"""The funnel in rows, made once: the page's tables and the file are the same rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from analytics.charts.rates import Rate, difference_of
from analytics.figures.numbers import Number
from analytics.funnels.answer import Answer, CellFigures, StepFigures
from analytics.funnels.forms import CELL_PREFIX
from crm.shared.formatting import digits, rate


@dataclass(frozen=True)
class StepRow:
    """One line of the step table."""

    number: int
    label: str
    reached: Number
    converted: Number
    dropped: Number
    open: Number
    of_first: Rate
    of_previous: Rate
    settled: Rate | None
    value_cents: int | None
    median_seconds: float | None
    p90_seconds: float | None
    is_last: bool


@dataclass(frozen=True)
class ComparedRow:
    """One step beside the same step of the previous period, both read at the same age."""

    number: int
    label: str
    reached: Number
    reached_before: Number
    now: Rate
    before: Rate
    difference: tuple[float, float, float] | None


@dataclass(frozen=True)
class CellRow:
    """One line of the breakdown: how many reached each step, and the overall rate."""

    label: str
    reached: list[Number]
    overall: Rate


@dataclass(frozen=True)
class Loss:
    """The step after which most people were lost."""

    after: StepFigures
    before: str

    @property
    def share(self) -> Rate:
        return Rate(self.after.dropped, self.after.reached)


def step_rows(answer: Answer, people: str) -> list[StepRow]:
    """Lines of the step table; `people` is the address of the question's people."""
    last = len(answer.steps)
    return [
        StepRow(
            number=step.number,
            label=step.label,
            of_first=step.of_first,
            of_previous=step.of_previous,
            settled=step.settled_of_previous,
            value_cents=step.value_cents,
            median_seconds=step.median_seconds,
            p90_seconds=step.p90_seconds,
            is_last=step.number == last,
            **{
                state: _number(people, step, state)
                for state in ("reached", "converted", "dropped", "open")
            },
        )
        for step in answer.steps
    ]


def comparison_rows(answer: Answer, people: str = "", before: str = "") -> list[ComparedRow]:
    """This period and the one before, step by step; empty where none was asked.

    ``people`` and ``before`` are the addresses of both questions' people.
    """
    if answer.previous is None:
        return []
    return [
        ComparedRow(
            number=step.number,
            label=step.label,
            reached=_number(people, step, "reached"),
            reached_before=_number(before, past, "reached"),
            now=step.of_previous,
            before=past.of_previous,
            difference=difference_of(step.of_previous, past.of_previous),
        )
        for step, past in zip(answer.steps, answer.previous.steps, strict=True)
    ]


def cell_rows(answer: Answer, people: str) -> list[CellRow]:
    """Lines of the breakdown table."""
    return [
        CellRow(
            label=cell_label(cell),
            reached=[_number(people, step, "reached", answer, cell) for step in cell.steps],
            overall=cell.steps[-1].of_first,
        )
        for cell in answer.cells
    ]


def cell_label(cell: CellFigures) -> str:
    """The values of a cell in words."""
    return " · ".join(value.label for value in cell.values)


def biggest_loss(answer: Answer) -> Loss | None:
    """Where most people were lost for good; None while nobody was."""
    losing = [step for step in answer.steps[:-1] if step.dropped]
    if not losing:
        return None
    worst = max(losing, key=lambda step: step.dropped)
    return Loss(worst, answer.steps[worst.number].label)


def finding(answer: Answer) -> str:
    """The answer in a sentence."""
    loss = biggest_loss(answer)
    if loss is None:
        return _("还没有客户流失：到达的人要么走到了下一步，要么还在窗口内")
    if answer.question.order == "any":
        words = _("%(n)s 位客户止步于完成 %(k)s 步，占到达者的 %(rate)s")
    else:
        words = _("流失最多的是「%(from)s → %(to)s」：%(n)s 位客户没有走到，占到达者的 %(rate)s")
    return words % {
        "from": loss.after.label,
        "to": loss.before,
        "k": loss.after.number,
        "n": digits(loss.after.dropped),
        "rate": rate(loss.share.value),
    }


FILE_STATES = ("reached", "converted", "dropped", "open")


def file_header() -> list[str]:
    """Columns of the file."""
    return [
        _("细分"),
        _("第几步"),
        _("步骤"),
        _("到达"),
        _("已到下一步"),
        _("流失"),
        _("还在窗口内"),
        _("占首步"),
        _("占首步下限"),
        _("占首步上限"),
        _("占上一步"),
        _("占上一步下限"),
        _("占上一步上限"),
        _("已定局"),
        _("已定局占上一步"),
        _("已定局占上一步下限"),
        _("已定局占上一步上限"),
        _("合计（分）"),
        _("中位用时（秒）"),
        _("90% 用时（秒）"),
        _("数据时间"),
        _("上一期到达"),
        _("上一期占上一步"),
        _("与上一期差值"),
        _("差值下限"),
        _("差值上限"),
    ]


def file_rows(answer: Answer) -> Iterator[list[Any]]:
    """All steps, beside the previous period where one was asked for, then all steps of cells."""
    compared = {row.number: row for row in comparison_rows(answer)}
    for step in answer.steps:
        yield _file_row(_("全部"), step, answer) + _compared(compared.get(step.number))
    for cell in answer.cells:
        for step in cell.steps:
            yield _file_row(cell_label(cell), step, answer) + _compared(None)


def _compared(row: ComparedRow | None) -> list[Any]:
    if row is None:
        return [None] * 5
    difference = row.difference or (None, None, None)
    return [
        row.reached_before.value,
        _rounded(row.before.value),
        *(_rounded(n) for n in difference),
    ]


def _file_row(label: str, step: StepFigures, answer: Answer) -> list[Any]:
    first, previous, settled = step.of_first, step.of_previous, step.settled_of_previous
    return [
        label,
        step.number,
        step.label,
        *(getattr(step, state) for state in FILE_STATES),
        *(_rounded(n) for n in (first.value, first.low, first.high)),
        *(_rounded(n) for n in (previous.value, previous.low, previous.high)),
        step.settled,
        *(_rounded(n) for n in (settled.value, settled.low, settled.high)),
        step.value_cents,
        step.median_seconds,
        step.p90_seconds,
        answer.data_time,
    ]


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 6)


def _number(
    people: str,
    step: StepFigures,
    state: str,
    answer: Answer | None = None,
    cell: CellFigures | None = None,
) -> Number:
    pairs = [("step", str(step.number)), ("state", state)]
    label = step.label
    if answer and cell:
        names = answer.question.breakdown
        pairs += [
            (CELL_PREFIX + name, value.key) for name, value in zip(names, cell.values, strict=True)
        ]
        label = f"{cell_label(cell)} {label}"
    return Number(getattr(step, state), f"{people}&{urlencode(pairs)}", label)
