"""Keyset paging: the next page starts after the last row seen, however deep the list goes.

``keyset_page(rows, order=("-last_at",), params=request.GET)`` reads ``after`` and ``before`` from
the query string. The primary key is always the last word, so that the order is total. Empty values
stand last in either direction. Cursors are signed and name their order, so that a forged or stale
one falls back to the first page instead of reaching the database.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.core import signing
from django.core.exceptions import FieldDoesNotExist
from django.db.models import F, Q, QuerySet

EXACT_UP_TO = 10_000
PAGE_SIZE = 50
_SALT = "changke.paging"


@dataclass(frozen=True)
class Page:
    """One page of rows; ``after`` and ``before`` are cursors, empty where nothing follows."""

    rows: list[Any]
    after: str
    before: str
    total: int
    is_exact: bool

    def __iter__(self):
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def keyset_page(
    queryset: QuerySet,
    *,
    order: Sequence[str],
    params: Mapping[str, str],
    size: int = PAGE_SIZE,
    total: int | None = None,
) -> Page:
    """The page that ``params`` asks for, with the total (approximate above ten thousand).

    A ``total`` that the caller knows is not counted again.
    """
    keys = [_Key.of(queryset, name) for name in _total_order(order)]
    names = [key.name for key in keys]
    after = _decode(params.get("after", ""), names)
    before = None if after else _decode(params.get("before", ""), names)
    cursor, backwards = after or before, before is not None
    rows = queryset.order_by(*(key.ordering(backwards) for key in keys))
    if cursor:
        rows = rows.filter(_beyond(keys, cursor, backwards))
    found = list(rows[: size + 1])
    more, found = len(found) > size, found[:size]
    if backwards:
        found.reverse()
    total, is_exact = count(queryset) if total is None else (total, True)
    return Page(
        rows=found,
        after=_encode(found[-1], keys) if found and (more or backwards) else "",
        before=_encode(found[0], keys) if found and (after or (backwards and more)) else "",
        total=total,
        is_exact=is_exact,
    )


def listed_page(rows: Sequence[Any], *, params: Mapping[str, str], size: int = PAGE_SIZE) -> Page:
    """The page of rows that are all at hand; cursors are places, and a forged one is the first."""
    asked = params.get("after") or params.get("before") or ""
    place = int(asked) if asked.isdecimal() and len(asked) < 10 else 0
    place = place if place < len(rows) else 0
    return Page(
        rows=list(rows[place : place + size]),
        after=str(place + size) if place + size < len(rows) else "",
        before=str(max(place - size, 0)) if place else "",
        total=len(rows),
        is_exact=True,
    )


def count(queryset: QuerySet) -> tuple[int, bool]:
    """How many rows, and whether that is exact; the planner estimates what is too long to count."""
    bare = queryset.order_by()
    counted = bare[: EXACT_UP_TO + 1].count()
    if counted <= EXACT_UP_TO:
        return counted, True
    plan = json.loads(bare.explain(format="json"))[0]["Plan"]
    return max(int(plan["Plan Rows"]), counted), False


def ordered(queryset: QuerySet, order: Sequence[str]) -> QuerySet:
    """The whole queryset in the order of its pages (for files)."""
    keys = [_Key.of(queryset, name) for name in _total_order(order)]
    return queryset.order_by(*(key.ordering(False) for key in keys))


def neighbours(queryset: QuerySet, *, order: Sequence[str], row: Any) -> tuple[Any, Any]:
    """Primary keys of the rows before and after ``row`` in that order; None at either end."""
    keys = [_Key.of(queryset, name) for name in _total_order(order)]
    cursor = [key.value(row) for key in keys]

    def nearest(backwards: bool) -> Any:
        rows = queryset.order_by(*(key.ordering(backwards) for key in keys))
        return rows.filter(_beyond(keys, cursor, backwards)).values_list("pk", flat=True).first()

    return nearest(True), nearest(False)


@dataclass(frozen=True)
class _Key:
    name: str
    path: str
    descending: bool
    nullable: bool

    @classmethod
    def of(cls, queryset: QuerySet, name: str) -> "_Key":
        path = name.removeprefix("-")
        try:
            nullable = queryset.model._meta.get_field(path).null if path != "pk" else False
        except FieldDoesNotExist:
            nullable = True  # An annotation or a joined column: nothing promises a value.
        return cls(name, path, name.startswith("-"), nullable)

    def ordering(self, backwards: bool):
        column = F(self.path)
        nulls = {}
        if self.nullable:
            nulls = {"nulls_first": True} if backwards else {"nulls_last": True}
        return column.desc(**nulls) if self.descending != backwards else column.asc(**nulls)

    def same(self, value: Any) -> Q:
        return Q(**{f"{self.path}__isnull": True}) if value is None else Q(**{self.path: value})

    def further(self, value: Any, backwards: bool) -> Q | None:
        """Rows strictly beyond ``value`` in this key; None when there can be none."""
        if value is None:
            return Q(**{f"{self.path}__isnull": False}) if backwards else None
        comparison = "lt" if self.descending != backwards else "gt"
        beyond = Q(**{f"{self.path}__{comparison}": value})
        if self.nullable and not backwards:
            beyond |= Q(**{f"{self.path}__isnull": True})
        return beyond

    def value(self, row: Any) -> Any:
        for part in self.path.split("__"):
            row = getattr(row, part, None)
        return row


def _beyond(keys: list[_Key], cursor: list[Any], backwards: bool) -> Q:
    found, ties = Q(), Q()
    for key, value in zip(keys, cursor, strict=True):
        further = key.further(value, backwards)
        if further is not None:
            found |= ties & further
        ties &= key.same(value)
    first, value = keys[0], cursor[0]
    # Implied by the rest, but lets an index on the first key bound the scan.
    bound = first.further(value, backwards)
    return found & (bound | first.same(value)) if bound is not None else found


def _total_order(order: Sequence[str]) -> list[str]:
    names = [name for name in order if name.removeprefix("-") not in ("pk", "id")]
    last = [name for name in order if name.removeprefix("-") in ("pk", "id")]
    down = (last[0] if last else names[0] if names else "").startswith("-")
    return [*names, "-pk" if down else "pk"]


def _encode(row: Any, keys: list[_Key]) -> str:
    values = [_pack(key.value(row)) for key in keys]
    return signing.dumps([[key.name for key in keys], values], salt=_SALT)


def _decode(cursor: str, names: list[str]) -> list[Any] | None:
    if not cursor:
        return None
    try:
        order, values = signing.loads(cursor, salt=_SALT)
    except signing.BadSignature:
        return None
    return [_unpack(value) for value in values] if order == names else None


def _pack(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"at": value.isoformat()}
    if isinstance(value, date):
        return {"on": value.isoformat()}
    return {"dec": str(value)} if isinstance(value, Decimal) else value


def _unpack(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    [(kind, text)] = value.items()
    return {"at": datetime.fromisoformat, "on": date.fromisoformat, "dec": Decimal}[kind](text)
