"""The standing journey in rows, made once: the page's table and the file are the same rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from analytics.charts.rates import Rate
from analytics.figures.numbers import Number, meaning
from analytics.standing.figures import definition, step_labels
from analytics.standing.journey import STEPS, Cell, JourneyAnswer
from crm.shared.formatting import digits
from crm.shared.formatting import rate as rate_text


@dataclass(frozen=True)
class Step:
    """Who reached a step: the number opens, the share is of all entries."""

    number: Number
    share: Rate


@dataclass(frozen=True)
class Row:
    """One channel, week or agent, or the sum of all."""

    label: str
    steps: list[Step]
    still_open: Number


def rows(answer: JourneyAnswer, people: str, *, at_most: int) -> list[Row]:
    """The sum, then so many rows; ``people`` is the address of the figures."""
    names = step_labels()  # Read once: there may be thousands of agents.
    cells = [(_("合计"), answer.total, None)]
    cells += [(cell.label, cell, cell.key) for cell in answer.cells[:at_most]]
    return [_row(answer, people, names, *cell) for cell in cells]


def _row(
    answer: JourneyAnswer,
    people: str,
    names: list[str],
    label: str,
    cell: Cell,
    key: str | None,
) -> Row:
    row = {} if key is None else {"key": key}

    def number(value: int, words: str, share: Rate | None, **figure: Any) -> Number:
        note = meaning(definition(), data_time=answer.data_time, share=share)
        return Number(value, f"{people}&{urlencode(figure | row)}", f"{label} {words}", note)

    return Row(
        label,
        [
            Step(
                number(
                    cell.reached(step),
                    names[step - 1],
                    cell.share(step),
                    state="reached",
                    step=step,
                ),
                cell.share(step),
            )
            for step in range(1, STEPS + 1)
        ],
        number(cell.open, _("仍有时间"), None, state="open"),
    )


def finding(answer: JourneyAnswer) -> str:
    """The answer in a sentence."""
    total = answer.total
    paid = total.share(5)
    if not paid.n:
        return _("这段时间没有人加微")
    words = _("%(n)s 位客户进入旅程，%(share)s 转化，%(open)s 位仍有时间")
    return words % {
        "n": digits(paid.n),
        "share": rate_text(paid.value),
        "open": digits(total.open),
    }


def file_header() -> list[str]:
    """Columns of the file."""
    return [_("细分"), *step_labels(), _("仍有时间"), _("数据时间")]


def file_rows(answer: JourneyAnswer) -> Iterator[list[Any]]:
    """The sum, then the rows of the page."""
    for label, cell in [(_("合计"), answer.total), *((c.label, c) for c in answer.cells)]:
        reached = [cell.reached(step) for step in range(1, STEPS + 1)]
        yield [label, *reached, cell.open, answer.data_time]


def chart(answer: JourneyAnswer, people: str) -> dict[str, Any]:
    """Bars of who reached each step, for plot.js; every bar opens its people."""
    total, steps = answer.total, range(1, STEPS + 1)
    return {
        "data": [
            {
                "type": "bar",
                "orientation": "h",
                "y": step_labels(),
                "x": [total.reached(step) for step in steps],
                "customdata": [
                    f"{people}&{urlencode({'state': 'reached', 'step': step})}" for step in steps
                ],
                "text": [rate_text(total.share(step).value) for step in steps],
                "hovertemplate": "%{y}: %{x} · %{text}<extra></extra>",
                "marker": {"color": "var(--series-1)"},
            }
        ],
        "layout": {
            "height": 320,
            "showlegend": False,
            "xaxis": {"rangemode": "tozero", "title": {"text": _("人")}},
            "yaxis": {"autorange": "reversed"},
        },
    }
