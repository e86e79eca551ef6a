"""Columns of the customer list: which there are, which were chosen, and what stands in them.

The page and the file show the same columns. Rooms above add sources of their own (`add_source`),
such as the company's fields.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.customers.queries import CustomerRow
from crm.shared.formatting import ABSENT, day, digits, money
from crm.shared.templatetags.changke import timestamp

PARAM = "col"
MOST = 20
Read = Callable[[CustomerRow], Any]


@dataclass(frozen=True)
class Column:
    """One column; ``kind`` says how a cell is drawn, ``sort`` is its value of ``?sort=``."""

    code: str
    label: str | Promise
    kind: str = "text"
    sort: str = ""
    read: Read | None = None

    @property
    def css(self) -> str:
        """The class of its head: whatever is counted or dated stands to the right."""
        return "num" if self.kind in ("number", "money", "time", "day") else ""


class Source(Protocol):
    """Columns whose values are not on the row."""

    def columns(self) -> list[Column]:
        """All that can be chosen now, in their order."""

    def read(self, codes: Sequence[str], ids: Sequence[int]) -> dict[str, dict[int, str]]:
        """Words by column and customer, for one page, in a fixed number of queries."""


@dataclass(frozen=True)
class Cell:
    """What stands in one column of one row."""

    column: Column
    value: Any

    @property
    def html(self) -> SafeString:
        """The cell as it is drawn; a page has hundreds, too many for a template each."""
        return _DRAWN.get(self.column.kind, _text)(self.value)


def _text(value: Any) -> SafeString:
    return format_html('<td><bdi class="clip">{}</bdi></td>', value or ABSENT)


def _number(value: Any) -> SafeString:
    return format_html('<td class="num">{}</td>', value)


def _tags(names: list[str]) -> SafeString:
    shown = format_html_join("", '<span class="tag">{}</span> ', ((name,) for name in names[:3]))
    if len(names) > 3:
        shown += format_html('<span class="faint num">+{}</span>', len(names) - 3)
    return format_html("<td>{}</td>", shown)


def _names(names: list[str]) -> SafeString:
    joined = _("、").join(names) or ABSENT
    return format_html('<td class="nowrap"><bdi>{}</bdi></td>', joined)


_DRAWN: dict[str, Callable[[Any], SafeString]] = {
    "time": lambda value: _number(timestamp(value)),
    "day": lambda value: _number(day(value) if value else ABSENT),
    "number": lambda value: _number(digits(value)),
    "money": lambda value: _number(money(value)),
    "masked": _number,
    "names": _names,
    "tags": _tags,
}


_BUILT_IN = (
    Column("phone", gettext_lazy("手机号"), "masked", read=lambda row: row.phone),
    Column("agents", gettext_lazy("员工"), "names", read=lambda row: row.agents),
    Column("stage", gettext_lazy("生命周期"), read=lambda row: row.stage),
    Column("tags", gettext_lazy("标签"), "tags", read=lambda row: row.tags),
    Column("channel", gettext_lazy("来源渠道"), read=lambda row: row.channel),
    Column("added", gettext_lazy("首次加微"), "time", "added", lambda row: row.friend_since),
    Column("recent", gettext_lazy("最近动态"), "time", "recent", lambda row: row.last_fact_at),
    Column("orders", gettext_lazy("付款订单数"), "number", read=lambda row: row.order_count),
    Column("paid", gettext_lazy("累计付款"), "money", "paid", lambda row: row.paid_cents),
    Column("last_paid", gettext_lazy("最近付款"), "time", read=lambda row: row.last_paid_at),
    Column("last_message", gettext_lazy("最近发言"), "time", read=lambda row: row.last_message_at),
    Column("stage_since", gettext_lazy("进入阶段时间"), "time", read=lambda row: row.stage_since),
    Column("groups", gettext_lazy("所在群数"), "number", read=lambda row: row.group_count),
    Column("city", gettext_lazy("城市"), read=lambda row: row.city),
    Column("gender", gettext_lazy("性别"), read=lambda row: row.gender),
    Column("birthday", gettext_lazy("生日"), "day", read=lambda row: row.birthday),
    Column("number", gettext_lazy("客户编号"), read=lambda row: row.customer_no),
    Column("known", gettext_lazy("建档时间"), "time", read=lambda row: row.known_since),
    Column("origin", gettext_lazy("建档来源"), read=lambda row: row.origin),
)
DEFAULT = tuple(column.code for column in _BUILT_IN[:9])
_SOURCES: list[Source] = []


def add_source(source: Source) -> None:
    """Offer more columns; asked anew for every page, as they may change at any time."""
    _SOURCES.append(source)


def all_columns() -> list[Column]:
    """Everything that can be chosen, in the order in which it is offered."""
    return [*_BUILT_IN, *(column for source in _SOURCES for column in source.columns())]


def chosen(params: QueryDict) -> tuple[list[Column], list[Column]]:
    """The columns that the address asks for, in its order, and those that it does not.

    An address without columns, or without one that exists, means the usual ones.
    """
    known = {column.code: column for column in all_columns()}
    wanted = [known[code] for code in dict.fromkeys(params.getlist(PARAM)) if code in known]
    wanted = wanted[:MOST] or [known[code] for code in DEFAULT]
    return wanted, [column for column in known.values() if column not in wanted]


def cells_of(rows: Sequence[CustomerRow], columns: Sequence[Column]) -> list[list[Cell]]:
    """The cells of every row; what is not on the row costs one question for each source."""
    ids, held = [row.id for row in rows], _held(rows, columns)
    return [
        [
            Cell(column, column.read(row) if column.read else held[column.code].get(pk, ""))
            for column in columns
        ]
        for pk, row in zip(ids, rows, strict=True)
    ]


def _held(rows: Sequence[CustomerRow], columns: Sequence[Column]) -> dict[str, dict[int, str]]:
    missing = {column.code for column in columns if column.read is None}
    held: dict[str, dict[int, str]] = {code: {} for code in missing}
    for source in _SOURCES:
        codes = [c.code for c in source.columns() if c.code in missing] if missing else []
        if codes:
            held |= source.read(codes, [row.id for row in rows])
    return held


def file_header(columns: Iterable[Column]) -> list[str]:
    """The head of a file with these columns; the customer's number and name always lead."""
    heads = [
        _("累计付款（元）") if column.kind == "money" else str(column.label)
        for column in columns
        if column.code != "number"
    ]
    return [_("客户编号"), _("昵称"), *heads, _("是好友")]


def file_row(row: CustomerRow, cells: Iterable[Cell]) -> list[Any]:
    """A row of a file, as masked as on the screen."""
    values = [_for_file(cell) for cell in cells if cell.column.code != "number"]
    return [row.customer_no, row.name, *values, _("是") if row.is_friend else _("否")]


def _for_file(cell: Cell) -> Any:
    kind, value = cell.column.kind, cell.value
    if kind in ("names", "tags"):
        return "、".join(value)
    return f"{value // 100}.{value % 100:02d}" if kind == "money" else value


def encoded(columns: Iterable[Column]) -> list[tuple[str, str]]:
    """Pairs of an address that asks for these columns; none for the usual ones."""
    codes = [column.code for column in columns]
    return [] if tuple(codes) == DEFAULT else [(PARAM, code) for code in codes]


def usual() -> list[Column]:
    """The columns of whoever chose none."""
    return list(_BUILT_IN[: len(DEFAULT)])
