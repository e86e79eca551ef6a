"""Fields and values as pages show them."""

from dataclasses import dataclass
from datetime import datetime

from crm.customers.models import Customer
from crm.fields.models import Field, FieldValue
from crm.fields.values import words


@dataclass(frozen=True)
class Line:
    """One value in words, with its origin."""

    label: str
    text: str
    source: str
    said_by: str
    said_at: datetime


def active_fields() -> list[Field]:
    """Fields in use, in their order."""
    return list(Field.objects.filter(is_active=True))


def values_of(customer: Customer) -> list[FieldValue]:
    """What stands, of fields in use."""
    rows = FieldValue.unsafe_all.filter(customer=customer, field__is_active=True)
    return list(rows.select_related("field", "said_by__agent"))


def lines(customer: Customer) -> list[Line]:
    """Values of fields in use, in words."""
    return [
        Line(
            row.field.label,
            words(row.field, row.value),
            str(row.get_source_display()),
            row.said_by.get_full_name() if row.said_by else "",
            row.said_at,
        )
        for row in values_of(customer)
    ]
