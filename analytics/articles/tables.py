"""The report as rows of pages, files and the API: the same numbers everywhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from analytics.articles.figures import LABELS, NAME
from analytics.articles.reading import DEFINITION_VERSION, PositionRow, Reading
from analytics.figures.numbers import Number, opening


@dataclass(frozen=True)
class ButtonRow:
    """A button with its numbers to open."""

    row: PositionRow
    people: Number
    ordered: Number


def people_rows(found: Reading) -> list[tuple[str, Number]]:
    """(words, number) of the people who are known."""
    return [
        (str(label), _opening(found, len(found.people[what]), str(label), what=what))
        for what, label in LABELS.items()
    ]


def button_rows(found: Reading) -> list[ButtonRow]:
    """Every button."""
    return [
        ButtonRow(
            row,
            _of_button(found, row, "clicked", len(row.people)),
            _of_button(found, row, "ordered", len(row.ordered)),
        )
        for row in found.positions
    ]


def _of_button(found: Reading, row: PositionRow, what: str, n: int) -> Number:
    place = {"version": row.version, "position": row.position}
    return _opening(found, n, f"{row.title} {LABELS[what]}", what=what, **place)


def _opening(found: Reading, n: int, label: str, **asked: object) -> Number:
    said = {"material": found.material.pk, "range": found.range, "days": found.days}
    return opening(NAME, n, label, **said | asked)


def as_json(found: Reading) -> dict[str, Any]:
    """The answer as the API prints it."""
    counted = found.counted
    return {
        "article": found.material.pk,
        "range": found.range,
        "days": found.days,
        "data_time": found.at,
        "opened": counted.opened,
        "visitors": counted.visitors,
        "reading_told": counted.told,
        "read": counted.read_rate.as_json(),
        "clicked": counted.click_rate.as_json(),
        "known_people": {what: len(ids) for what, ids in found.people.items()},
        "ordered_at_most_of_unknown": found.ceiling,
        "places": [
            {
                "place": row.place,
                "opened": row.counted.opened,
                "read": row.counted.read_rate.as_json(),
                "clicked": row.counted.click_rate.as_json(),
                "ordered_at_most_of_unknown": row.ceiling,
            }
            for row in found.places
        ],
        "positions": [
            {
                "version": row.version,
                "position": row.position,
                "title": row.title,
                "clicked": row.clicked.as_json(),
                "known_people": len(row.people),
                "ordered": len(row.ordered),
                "orders": row.orders,
            }
            for row in found.positions
        ],
        "definition_version": DEFINITION_VERSION,
    }


def file_header() -> list[str]:
    """Columns of the file."""
    return [
        _("图文"), _("部分"), _("版本"), _("正文位置"), _("打开次数"), _("报了阅读时长"), _("读过"),
        _("点过"), _("知道是谁的点过人数"), _("知道是谁的下单人数"), _("不知道是谁的下单人数上限"),
    ]  # fmt: skip


def file_rows(found: Reading) -> Iterator[list[Any]]:
    """The whole, each place, each button."""
    title, counted, people = found.material.title, found.counted, found.people
    yield [
        title, _("合计"), "", "", counted.opened, counted.told, counted.read, counted.clicked,
        len(people["clicked"]), len(people["ordered"]), found.ceiling,
    ]  # fmt: skip
    for row in found.places:
        one = row.counted
        yield [
            title, row.label, "", "", one.opened, one.told, one.read, one.clicked, "", "",
            row.ceiling,
        ]  # fmt: skip
    for row in found.positions:
        yield [
            title, row.title, row.version, row.position, row.clicked.n, "", "", row.clicked.x,
            len(row.people), len(row.ordered), "",
        ]  # fmt: skip
