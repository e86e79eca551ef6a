"""The company's own fields as columns of a file of customers."""

import json
import re
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from psycopg import sql

from crm.agents.models import User
from crm.fields.models import Field as OwnField
from crm.fields.values import FieldRefused, read_value
from crm.ingest import cells
from crm.ingest.kinds import CUSTOMERS, ROW_KINDS, Field, RowKind, plain
from crm.ingest.problems import BadCell, Collision
from crm.ingest.staging import fetch, renew, renew_from, run

PREFIX = "field_"
_BETWEEN = re.compile(r"[、,，;；|]")

_SPREAD = """
insert into said select line, pair.field_id, pair.value from staged
cross join lateral (values {}) as pair(field_id, value) where pair.value is not null
"""

_FRESH = """
select said.line, said.field_id, said.value, found.target_id
from said join found using (line)
left join crm_fieldvalue held
    on held.customer_id = found.target_id and held.field_id = said.field_id
where held.value is distinct from said.value
"""

_WRITE = """
insert into crm_fieldvalue (customer_id, field_id, value, source, said_by_id, said_at)
select coalesce(fresh.target_id, new.id), fresh.field_id, fresh.value, %(source)s, %(by)s, %(now)s
from fresh
join planned using (line)
left join crm_customer new on planned.verdict = 'new' and new.customer_no = planned.customer_no
order by 1, 2
on conflict (customer_id, field_id) do update
set value = excluded.value, source = excluded.source, said_by_id = excluded.said_by_id,
    said_at = excluded.said_at
"""


@dataclass(frozen=True)
class OwnColumn(Field):
    """A column for one field, with what the field was when the column was made."""

    own: OwnField | None = None


def row_kind(name: str) -> RowKind:
    """A kind of rows as files know it: customers have the company's fields beside the built-in."""
    kind = ROW_KINDS[name]
    if kind is not CUSTOMERS:
        return kind
    fields = OwnField.objects.filter(is_active=True)
    # A header that means something built in goes on meaning that, whatever a field is called.
    own = (_column(field, kind.names) for field in fields)
    return replace(kind, fields=(*kind.fields, *own))


def _column(field: OwnField, taken: Container[str]) -> OwnColumn:
    names = (field.label, field.key, f"field.{field.key}")
    return OwnColumn(
        f"{PREFIX}{field.key}",
        field.label,
        _parser(field),
        "jsonb",
        aliases="|".join(name for name in names if plain(name) not in taken),
        own=field,
    )


def _parser(field: OwnField) -> Callable[[Any], str | None]:
    def parse(cell: Any) -> str | None:
        text = cells.text(cell)
        if text is None or not text.strip():
            return None
        raw: Any = text.strip()
        if field.kind == OwnField.Kind.CHOICES:
            raw = [part.strip() for part in _BETWEEN.split(raw) if part.strip()]
        elif field.kind == OwnField.Kind.DATE:
            raw = cells.day(cell)
        try:
            value = read_value(field, raw)
        except FieldRefused as refused:
            raise BadCell("bad_field", why=str(refused)) from refused
        return None if value is None else json.dumps(value, ensure_ascii=False)

    return parse


def hold(kind: RowKind) -> None:
    """Keep the fields as they are until commit; raises Collision where one has changed."""
    columns = {column.own.pk: column.own for column in _columns(kind)}
    if not columns:
        return
    rows = fetch(
        "select id, kind, options from crm_field where is_active and id = any(%(ids)s) for share",
        {"ids": list(columns)},
    )
    now = {pk: (kind_, options) for pk, kind_, options in rows}
    if any(now.get(pk) != (own.kind, own.options) for pk, own in columns.items()):
        raise Collision(_("自定义字段刚刚改过，请重新导入"))


def spread(kind: RowKind, staged: Sequence[str]) -> None:
    """Make the table ``said`` (line, field_id, value) of the staged columns."""
    if kind.name != CUSTOMERS.name:
        return
    renew("said", "line integer, field_id bigint, value jsonb")
    columns = [column for column in _columns(kind) if column.name in staged]
    if columns:
        pairs = (
            sql.SQL("({}, staged.{})").format(column.own.pk, sql.Identifier(column.name))
            for column in columns
        )
        run(sql.SQL(_SPREAD).format(sql.SQL(", ").join(pairs)))
        run("analyze said")


def compare() -> None:
    """Make the table ``fresh`` of what says something else than the customer found; of `found`."""
    renew_from("fresh", _FRESH)


def write(now: datetime, *, source: str, by: User | None) -> None:
    """Write what is fresh, for customers that are written already."""
    run(_WRITE, {"now": now, "source": source, "by": by.pk if by else None})


def _columns(kind: RowKind) -> list[OwnColumn]:
    return [field for field in kind.fields if isinstance(field, OwnColumn)]
