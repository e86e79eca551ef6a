"""The transition matrix in rows, made once: the page's table and the file are the same rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from analytics.charts.rates import Rate
from analytics.figures.numbers import Number, meaning
from analytics.transitions.answer import TransitionAnswer
from analytics.transitions.figures import definition_of, stage_labels
from crm.shared.formatting import digits
from crm.shared.formatting import rate as rate_text

STEPS_OF_COLOUR = 5


@dataclass(frozen=True)
class Cell:
    """Who went from the row's stage to the column's; ``shade`` 1 to 5 colours it, 0 not."""

    share: Rate
    number: Number
    shade: int
    stayed: bool


@dataclass(frozen=True)
class Row:
    """One stage on the first date and where its customers stand on the second."""

    label: str
    total: Number
    cells: list[Cell]


@dataclass(frozen=True)
class Matrix:
    """Everything that the table shows."""

    heads: list[str]
    rows: list[Row]
    foot: list[Number]
    all: Number


def matrix(answer: TransitionAnswer, people: str) -> Matrix:
    """The table of the page; `people` is the address of the figures."""
    labels = stage_labels()
    names = [labels[stage] for stage in answer.question.stages]
    places = range(len(names))
    return Matrix(
        heads=names,
        rows=[
            Row(
                names[i],
                _number(answer, people, int(answer.counts[i].sum()), i, None),
                [_cell(answer, people, i, j) for j in places],
            )
            for i in places
        ],
        foot=[_number(answer, people, int(answer.counts[:, j].sum()), None, j) for j in places],
        all=_number(answer, people, answer.customers, None, None),
    )


def _cell(answer: TransitionAnswer, people: str, before: int, after: int) -> Cell:
    share = answer.share(before, after)
    return Cell(
        share,
        _number(answer, people, share.x, before, after, share),
        0 if not share.value or share.is_small else max(1, round(share.value * STEPS_OF_COLOUR)),
        before == after,
    )


def _number(
    answer: TransitionAnswer,
    people: str,
    value: int,
    before: int | None,
    after: int | None,
    share: Rate | None = None,
) -> Number:
    stages, labels = answer.question.stages, stage_labels()
    places = {"was": before, "became": after}
    figure = {name: stages[at] for name, at in places.items() if at is not None}
    words = " → ".join(labels[stage] for stage in figure.values()) or _("全部客户")
    note = meaning(definition_of(answer.question), data_time=answer.data_time, share=share)
    return Number(value, f"{people}&{urlencode(figure)}" if figure else people, words, note)


def finding(answer: TransitionAnswer) -> str:
    """The answer in a sentence."""
    stages = answer.question.stages
    if answer.question.by == "life":
        back = answer.counts[1:, :].sum()
        moved = back - sum(int(answer.counts[i, i]) for i in range(1, len(stages)))
        return _("%(n)s 位老客户里 %(moved)s 位换了阶段") % {
            "n": digits(int(back)),
            "moved": digits(int(moved)),
        }
    regular, single = stages.index("regular"), stages.index("single")
    risen = int(answer.counts[:regular, regular].sum())
    share = answer.share(single, regular)
    words = _("%(n)s 位成为常客") % {"n": digits(risen)}
    if share.n and not share.is_small:
        words += _("；原单次客中 %(share)s 再次成交") % {"share": rate_text(share.value)}
    return words


def file_header() -> list[str]:
    """Columns of the file."""
    return [
        _("开始日期"),
        _("开始阶段"),
        _("结束日期"),
        _("结束阶段"),
        _("人数"),
        _("开始阶段人数"),
        _("占比"),
        _("下限"),
        _("上限"),
        _("数据时间"),
    ]


def file_rows(answer: TransitionAnswer) -> Iterator[list[Any]]:
    """One row for each pair of stages, empty ones too: the file sums to all customers."""
    question, labels = answer.question, stage_labels()
    names = [labels[stage] for stage in question.stages]
    for i, before in enumerate(names):
        for j, after in enumerate(names):
            share = answer.share(i, j)
            known = (share.value, share.low, share.high)
            shares = [None if part is None else round(part, 6) for part in known]
            dates = [question.since.isoformat(), before, question.until.isoformat(), after]
            yield [*dates, share.x, share.n, *shares, answer.data_time]
