"""Everything we hold of a person, table by table: for them to see, and to take along."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db.models import FileField, Model

from crm.agents.access import Permission
from crm.agents.models import User
from crm.customers.models import Customer
from crm.subjects.holdings import HOLDINGS, Erase, Holding

ARCHIVE = ("crm.ArchivedMessage", "crm.ArchivedMedia", "crm.ArchiveReading")
# Ours, not theirs: how we look for people, and what a lookup has cached.
LEFT_OUT = {"search", "name_sort", "sealed", "stored_name"}
ROWS_SHOWN = 100_000


@dataclass(frozen=True)
class Part:
    """One table: what it is, how many rows are the person's, and what would become of them."""

    model: str
    name: str
    purpose: str
    kept: str
    erase: str
    rows: int
    is_withheld: bool


def parts(customer: Customer, user: User) -> list[Part]:
    """Every table that holds people, with the number of rows of this one.

    What was said is told only to whoever may read the archive.
    """
    found: dict[str, Part] = {}
    for holding in HOLDINGS:
        name = str(holding.table._meta.verbose_name)
        rows = holding.rows_of(customer.pk).count()
        if earlier := found.get(holding.model):
            rows += earlier.rows
        found[holding.model] = Part(
            holding.model, name, str(holding.purpose), str(holding.kept),
            str(holding.erase.value), rows, is_withheld(holding, user),
        )  # fmt: skip
    return list(found.values())


def table_names() -> dict[str, str]:
    """Tables in the reader's language."""
    return {one.model: str(one.table._meta.verbose_name) for one in HOLDINGS}


def is_withheld(holding: Holding, user: User) -> bool:
    """Whether this user may not hand these rows over."""
    return holding.model in ARCHIVE and not user.can(Permission.ARCHIVE_READ)


def tables(customer: Customer, user: User) -> Iterator[tuple[str, list[str], list[list[Any]]]]:
    """(name, columns, rows) of every table with rows of the person, in plain values."""
    for holding in HOLDINGS:
        if holding.erase in (Erase.KEEP, Erase.NAMELESS) or is_withheld(holding, user):
            continue
        rows = list(holding.rows_of(customer.pk).order_by("pk")[:ROWS_SHOWN])
        if rows:
            fields = [f for f in holding.table._meta.concrete_fields if f.name not in LEFT_OUT]
            heads = [str(f.verbose_name) for f in fields]
            body = [[_plain(getattr(row, f.attname), f) for f in fields] for row in rows]
            yield str(holding.table._meta.verbose_name), heads, body


def as_json(customer: Customer, user: User, now: datetime) -> str:
    """The same as one JSON document."""
    body: dict[str, Any] = {"made_at": now.isoformat(), "tables": {}}
    for name, heads, rows in tables(customer, user):
        told = body["tables"].setdefault(name, [])
        told += [dict(zip(heads, row, strict=True)) for row in rows]
    return json.dumps(body, ensure_ascii=False, indent=1)


def _plain(value: Any, field: Any) -> Any:
    if isinstance(field, FileField) or isinstance(value, Model):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal | bytes | memoryview):
        return str(value)
    return value
