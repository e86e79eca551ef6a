"""Saying what a customer's fields hold, and changing what a field is."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from crm.agents.actions import audit
from crm.agents.models import User
from crm.customers.models import Customer
from crm.fields.models import Field, FieldValue
from crm.fields.values import FieldRefused, fits, read_value

SHOWN = 5


@transaction.atomic
def set_values(
    *, customer: Customer, values: Mapping[str, Any], source: str, by: User, now: datetime
) -> list[str]:
    """Write what the named fields say; nothing empties one. Returns the keys that changed.

    All or none: raises FieldRefused for an unknown key or a value that does not fit. A value that
    is said again keeps who said it first.
    """
    Customer.unsafe_all.select_for_update().get(pk=customer.pk)
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


def misfits(field: Field, kind: str, options: Sequence[str]) -> list[FieldValue]:
    """Values that stand in the way of another kind or other options."""
    rows = FieldValue.unsafe_all.filter(field=field).select_related("customer")
    return [row for row in rows.iterator() if not fits(field, kind, options, row.value)]


@transaction.atomic
def convert(field: Field, *, by: User, now: datetime) -> int:
    """Read every value of a field as its new kind; raises FieldRefused where one does not fit."""
    if wrong := misfits(field, field.kind, field.options):
        names = _("、").join(row.customer.name for row in wrong[:SHOWN])
        words = _("有 %(n)s 位客户的值不符合新的类型或选项，先修改他们：%(names)s")
        raise FieldRefused(words % {"n": len(wrong), "names": names}, field="kind")
    rows = list(FieldValue.unsafe_all.select_for_update().filter(field=field))
    for row in rows:
        row.value = read_value(field, row.value)
    FieldValue.unsafe_all.bulk_update(rows, ["value"], batch_size=1000)
    audit(by, "field.change", field, now=now, kind=field.kind, values=len(rows))
    return len(rows)
