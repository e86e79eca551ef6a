"""What a number counts where it does not count people: relations, memberships, comings, groups.

Each is a line with a key of its own, whom it concerns and words. A statement finds them, so a
million of them open at their first page; panel, file and API show the same lines, and an audience
saved from them holds their customers, each once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db import connection
from django.urls import reverse
from django.utils.translation import gettext as _

from analytics.figures.people import PEOPLE_PER_PAGE, places_of
from crm.agents.actions import audit
from crm.agents.models import User
from crm.customers.disclosure import EXPORT_ROWS, ExportRefused
from crm.customers.models import Customer

_CHUNK = 500
_LINES = "with lines as ({lines}) {select}"
_PAGE = "select key, customer_id, at, link, other from lines {order} limit %(limit)s"


@dataclass(frozen=True)
class Found:
    """A row of the statement: its key, the customer if any, and what else the page reads of it."""

    key: int
    customer_id: int | None
    at: Any
    link: int
    other: int


@dataclass(frozen=True)
class Line:
    """One line as it is shown; ``name`` and ``href`` are the customer's or the thing's own."""

    key: int
    customer_id: int | None
    customer_no: str
    name: str
    href: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Lines:
    """Lines of a statement with the columns of ``Found``, whose keys differ.

    ``heads`` name the cells that ``tell`` gives for each row; ``name`` heads the first column.
    """

    statement: str
    params: dict[str, Any]
    heads: tuple[str, ...]
    tell: Callable[[Sequence[Found]], list[tuple[str, ...]]]
    of_things: Callable[[Sequence[Found]], list[tuple[str, str]]] | None = None

    def __len__(self) -> int:
        return self._count

    @cached_property
    def _count(self) -> int:
        [[count]] = self._rows("select count(*) from lines")
        return count

    def page(
        self, *, after: int | None, before: int | None, size: int
    ) -> tuple[list[Found], int | None, int | None]:
        """The rows that follow `after`, or precede `before`, and the keys to go on from."""
        if before is not None and after is None:
            rows = self._some("where key < %(place)s order by key desc", before, size + 1)
            if len(rows) <= size:
                return self.page(after=None, before=None, size=size)
            shown = rows[size - 1 :: -1]
            later = self._some("where key > %(place)s", shown[-1].key, 1)
            return shown, shown[-1].key if later else None, shown[0].key
        rows = self._some("where key > %(place)s order by key", after or 0, size + 1)
        shown = rows[:size]
        follows = shown[-1].key if len(rows) > size else None
        if after is None or not shown:
            return shown, follows, None
        earlier = self._some("where key <= %(place)s", after, 1)
        return shown, follows, shown[0].key if earlier else None

    def told(self, rows: Sequence[Found], user: User) -> list[Line]:
        """The same rows in words; names of customers in the viewer's scope."""
        cells = self.tell(rows)
        if self.of_things:
            named = [(name, href, "") for name, href in self.of_things(rows)]
        else:
            named = _customers_named(rows, user)
        return [
            # Of a customer whom the viewer may not see, not even the number is told.
            Line(row.key, row.customer_id if href else None, number, name, href, words)
            for row, (name, href, number), words in zip(rows, named, cells, strict=True)
        ]

    def all(self, user: User) -> Iterator[Line]:
        """Every line, some hundreds at a time."""
        after: int | None = None
        while True:
            rows, after, _before = self.page(after=after, before=None, size=_CHUNK)
            yield from self.told(rows, user)
            if after is None:
                return

    def people(self, user: User) -> "LinePeople":
        """Whom the lines concern, as far as the viewer may see them, each once."""
        return LinePeople(self, user)

    def customers(self, user: User) -> list[int]:
        """Their ids, in order."""
        found = self._rows("select distinct customer_id from lines where customer_id is not null")
        seen = Customer.objects.for_user(user).filter(pk__in=[pk for (pk,) in found])
        return list(seen.order_by("pk").values_list("pk", flat=True))

    def _some(self, order: str, place: int, limit: int) -> list[Found]:
        rows = self._rows(_PAGE.format(order=order), place=place, limit=limit)
        return [Found(*row) for row in rows]

    def _rows(self, select: str, **params: Any) -> list[tuple]:
        with connection.cursor() as cursor:
            statement = _LINES.format(lines=self.statement, select=select)
            cursor.execute(statement, self.params | params)
            return cursor.fetchall()


class LinePeople(Sequence):
    """Customers of lines as a list that is read when somebody wants it."""

    def __init__(self, lines: Lines, user: User) -> None:
        self._lines, self._user = lines, user

    @cached_property
    def _ids(self) -> list[int]:
        return self._lines.customers(self._user)

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, place: Any) -> Any:
        return self._ids[place]


@dataclass(frozen=True)
class LinePage:
    """Lines of one page; `after` and `before` are keys to go on from, None at either end."""

    rows: list[Line]
    total: int
    after: int | None
    before: int | None


def line_page(lines: Lines, *, user: User, params: Any, size: int = PEOPLE_PER_PAGE) -> LinePage:
    """The page that follows `after`, or precedes `before`, or the first one."""
    rows, after, before = lines.page(**places_of(params), size=size)
    return LinePage(lines.told(rows, user), len(lines), after, before)


def export_lines(
    lines: Lines, *, by: User, now: datetime, **details: Any
) -> tuple[list[str], Iterator[list[str]]]:
    """Head and rows of a file of these lines; the audit entry comes first.

    Raises ExportRefused above the cap of files.
    """
    if len(lines) > EXPORT_ROWS:
        words = _("超过 %(n)s 行，未导出。请缩小筛选范围。")
        raise ExportRefused(words % {"n": f"{EXPORT_ROWS:,}"})
    audit(by, "figure.export", now=now, lines=len(lines), **details)
    head = [_("名称"), _("客户编号"), *lines.heads]
    return head, ([line.name, line.customer_no, *line.cells] for line in lines.all(by))


def _customers_named(rows: Sequence[Found], user: User) -> list[tuple[str, str, str]]:
    known = Customer.objects.for_user(user).in_bulk([row.customer_id for row in rows])
    found = []
    for row in rows:
        one = known.get(row.customer_id)
        if one is None:
            found.append((_("您看不到的客户"), "", ""))
            continue
        href = reverse("crm:customers:profile", args=[one.pk])
        found.append((one.name, href, one.customer_no or one.external_userid or ""))
    return found
