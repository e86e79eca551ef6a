"""The retention table in rows, made once: the page's table and the file are the same rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from analytics.charts.rates import Rate
from analytics.figures.numbers import Number, meaning
from analytics.retention.answer import RetentionAnswer
from analytics.retention.figures import definition_of, period_name
from crm.shared.formatting import day as day_text
from crm.shared.formatting import rate as rate_text

STEPS_OF_COLOUR = 5


@dataclass(frozen=True)
class Cell:
    """One cell: who returned, of how many (both open); ``shade`` 1 to 5 colours it, 0 not."""

    share: Rate
    number: Number
    eligible: Number
    shade: int


@dataclass(frozen=True)
class Row:
    """One cohort, or the sum of all of them."""

    label: str
    size: Number
    cells: list[Cell]


def heads(answer: RetentionAnswer) -> list[str]:
    """Heads of the period columns."""
    return [period_name(answer.question, j) for j in range(len(answer.totals))]


def rows(answer: RetentionAnswer, people: str) -> list[Row]:
    """The sum first, then cohorts from the youngest; `people` is the address of the figures."""
    highest = max(
        (rate.value or 0 for c in answer.cohorts for rate in c.cells if not rate.is_small),
        default=0,
    )
    definition = definition_of(answer.question)
    row = partial(_row, answer, people, definition)
    found = [row(_("所有批次"), "", answer.size, answer.totals, highest)]
    for cohort in reversed(answer.cohorts):
        start = cohort.start.isoformat()
        label = day_text(cohort.start)
        found.append(row(label, start, cohort.size, cohort.cells, highest))
    return found


def _row(
    answer: RetentionAnswer,
    people: str,
    definition: str,
    label: str,
    cohort: str,
    size: int,
    cells: tuple[Rate, ...],
    highest: float,
) -> Row:
    at = {"cohort": cohort} if cohort else {}

    def number(value: int, words: str, share: Rate | None, **figure: Any) -> Number:
        note = meaning(definition, data_time=answer.data_time, share=share)
        return Number(value, f"{people}&{urlencode(figure | at)}", words, note)

    return Row(
        label=label,
        size=number(size, f"{label} {_('这一批')}", None, state="size"),
        cells=[
            Cell(
                rate,
                number(
                    rate.x,
                    f"{label} {period_name(answer.question, j)}",
                    rate,
                    state="returned",
                    at=j,
                ),
                number(
                    rate.n,
                    f"{label} {period_name(answer.question, j)} {_('满期')}",
                    None,
                    state="eligible",
                    at=j,
                ),
                _shade(rate, highest),
            )
            for j, rate in enumerate(cells)
        ],
    )


def _shade(rate: Rate, highest: float) -> int:
    if not rate.value or rate.is_small or not highest:
        return 0
    return max(1, min(STEPS_OF_COLOUR, round(rate.value / highest * STEPS_OF_COLOUR)))


def finding(answer: RetentionAnswer) -> str:
    """The answer in a sentence."""
    ripe = [(j, rate) for j, rate in enumerate(answer.totals) if j and not rate.is_small]
    if not ripe:
        return _("还没有足够多满期的客户，先看人数，不看比率")
    j, rate = ripe[0]
    last, late = ripe[-1]
    words = _("%(first)s回来 %(share)s，%(last)s回来 %(late)s")
    return words % {
        "first": period_name(answer.question, j),
        "share": rate_text(rate.value),
        "last": period_name(answer.question, last),
        "late": rate_text(late.value),
    }


def file_header() -> list[str]:
    """Columns of the file."""
    return [
        _("批次"),
        _("批次人数"),
        _("第几期"),
        _("周期"),
        _("满期"),
        _("回来了"),
        _("回来率"),
        _("下限"),
        _("上限"),
        _("数据时间"),
    ]


def file_rows(answer: RetentionAnswer) -> Iterator[list[Any]]:
    """All periods of the sum, then of each cohort; periods without eligible people are left out."""
    batches = [(_("所有批次"), answer.size, answer.totals)]
    batches += [(c.start.isoformat(), c.size, c.cells) for c in answer.cohorts]
    for label, size, cells in batches:
        for j, rate in enumerate(cells):
            if rate.n:
                shares = [round(share, 6) for share in (rate.value, rate.low, rate.high)]
                name = period_name(answer.question, j)
                yield [label, size, j, name, rate.n, rate.x, *shares, answer.data_time]
