"""Saying what a customer's fields hold, and changing what a field is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _
from psycopg.types.json import Jsonb

from crm.agents.actions import audit
from crm.agents.models import User
from crm.customers.models import AttributeChange, Customer
from crm.fields.models import Field, FieldValue
from crm.fields.values import FieldRefused, fits, read_value, words
from crm.shared import faults

SHOWN, BATCH = 5, 1000

_WHOSE = """
select customer_id from crm_fieldvalue
where field_id = %(field)s and value = any(%(wrong)s::jsonb[])
order by customer_id
"""
_CONVERT = """
update crm_fieldvalue as held set value = pair.new
from unnest(%(old)s::jsonb[], %(new)s::jsonb[]) as pair(old, new)
where held.field_id = %(field)s and held.value = pair.old
"""


@transaction.atomic
def set_values(
    *, customer: Customer, values: Mapping[str, Any], source: str, by: User, now: datetime
) -> list[str]:
    """Write what the named fields say; nothing empties one. Returns the keys that changed.

    All or none: raises FieldRefused for an unknown key or a value that does not fit. A value that
    is said again keeps who said it first.
    """
    Customer.unsafe_all.select_for_update().get(pk=customer.pk)
    if faults.guarded("fields.kind"):
        _hold_fields()
    fields = {field.key: field for field in Field.objects.filter(is_active=True)}
    standing = {row.field_id: row for row in FieldValue.unsafe_all.filter(customer=customer)}
    changed = []
    for key, raw in values.items():
        if (field := fields.get(key)) is None:
            raise FieldRefused(_("没有字段“%(key)s”") % {"key": str(key)[:32]}, field=str(key)[:32])
        value, row = read_value(field, raw), standing.get(field.pk)
        if value == (row.value if row else None):
            continue
        changed.append(key)
        if value is None:
            _note_removal(row, key, source=source, by=by, now=now)
            row.delete()
            continue
        FieldValue.unsafe_all.update_or_create(
            customer=customer,
            field=field,
            defaults={"value": value, "source": source, "said_by": by, "said_at": now},
        )
    if changed:
        audit(by, "customer.fields", customer, now=now, fields=changed, source=source)
    return changed


def _note_removal(row: FieldValue, key: str, *, source: str, by: User, now: datetime) -> None:
    """Triggers note what comes and changes; what goes they cannot tell from an erasure."""
    AttributeChange.unsafe_all.create(
        customer_id=row.customer_id,
        attribute=f"field.{key}",
        before=words(row.field, row.value),
        source=source,
        said_by=by,
        at=now,
    )


def _hold_fields() -> None:
    """Nobody changes what a field is while a value is being read as what it was; writers share."""
    with connection.cursor() as cursor:
        cursor.execute("select 1 from crm_field where is_active for share")


@dataclass(frozen=True)
class Misfits:
    """Whose values stand in the way of another kind or other options: how many, and some names."""

    count: int
    names: list[str]

    def refusal(self) -> FieldRefused:
        """What to tell the person who wants the change."""
        words = _("有 %(n)s 位客户的值不符合新的类型或选项，先修改他们：%(names)s")
        shown = {"n": self.count, "names": _("、").join(self.names)}
        return FieldRefused(words % shown, field="kind")


def misfits(field: Field, kind: str, options: Sequence[str]) -> Misfits:
    """Values that stand in the way of another kind or other options.

    Holds the field until the transaction ends, so that none comes in meanwhile.
    """
    Field.objects.select_for_update().get(pk=field.pk)
    wrong = [value for value in _different(field) if not fits(field, kind, options, value)]
    if not wrong:
        return Misfits(0, [])
    with connection.cursor() as cursor:
        cursor.execute(_WHOSE, {"field": field.pk, "wrong": [Jsonb(value) for value in wrong]})
        ids = [pk for (pk,) in cursor.fetchall()]
    some = Customer.unsafe_all.filter(pk__in=ids[:SHOWN]).order_by("pk")
    return Misfits(len(ids), [customer.name for customer in some])


@transaction.atomic
def convert(field: Field, *, by: User, now: datetime) -> int:
    """Read every value of a saved field as its new kind; returns how many changed.

    Raises FieldRefused where one does not fit.
    """
    if (found := misfits(field, field.kind, field.options)).count:
        raise found.refusal()
    read = [(value, read_value(field, value)) for value in _different(field)]
    pairs = [(Jsonb(value), Jsonb(new)) for value, new in read if value != new]
    changed = 0
    with connection.cursor() as cursor:
        for start in range(0, len(pairs), BATCH):
            old, new = (list(side) for side in zip(*pairs[start : start + BATCH], strict=True))
            cursor.execute(_CONVERT, {"field": field.pk, "old": old, "new": new})
            changed += cursor.rowcount
    audit(by, "field.change", field, now=now, kind=field.kind, values=changed)
    return changed


def _different(field: Field) -> Iterator[Any]:
    """Each value of the field once: a question of all customers, not a row for each of them."""
    rows = FieldValue.unsafe_all.filter(field=field).order_by().values_list("value", flat=True)
    return rows.distinct().iterator(chunk_size=2000)
