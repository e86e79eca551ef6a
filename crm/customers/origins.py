"""Where each thing that is said of a customer comes from, and what it was before.

Triggers write a change where a value changes (migration 0029); writers only say on whose behalf
they write (`speak_for`), for the transaction. Without a word it is WeCom, whose copies most writes
are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.agents.models import User
from crm.customers.columns import all_columns
from crm.customers.models import AttributeChange, Customer
from crm.shared.formatting import masked_phone

Source = AttributeChange.Source
LABELS = {
    "name": gettext_lazy("昵称"),
    "phone": gettext_lazy("手机号"),
    "city": gettext_lazy("城市"),
    "birthday": gettext_lazy("生日"),
    "gender": gettext_lazy("性别"),
    "channel": gettext_lazy("来源渠道"),
    "customer_no": gettext_lazy("客户编号"),
}


@dataclass(frozen=True)
class Origin:
    """Who said it and when."""

    source: str
    said_by: str
    at: datetime | None


@dataclass(frozen=True)
class ChangeLine:
    """One change in words; phones are masked."""

    label: str
    before: str
    value: str
    origin: Origin


def speak_for(source: str, by: User | None = None) -> None:
    """What this transaction changes of customers is said by ``source``, a value of `Source`."""
    told = {"changke.source": source, "changke.said_by": str(by.pk) if by else ""}
    with connection.cursor() as cursor:
        cursor.execute(
            "select set_config(name, value, true)"
            " from unnest(%s::text[], %s::text[]) as told(name, value)",
            [list(told), list(told.values())],
        )


def origins_of(customer: Customer) -> dict[str, Origin]:
    """The origin of every built-in attribute, by its name."""
    opened = Origin(_source_words(customer.origin), "", customer.known_since)
    found = dict.fromkeys(LABELS, opened)
    rows = customer.attribute_changes.filter(attribute__in=LABELS)
    latest = rows.order_by("attribute", "-at", "-pk").distinct("attribute")
    for row in latest.select_related("said_by"):
        found[row.attribute] = _origin(row)
    return found


def lines_of(rows: Sequence[AttributeChange]) -> list[ChangeLine]:
    """Changes in words; the company's own fields are named as the list of customers names them."""
    named = {column.code: str(column.label) for column in all_columns()}
    named |= {name: str(label) for name, label in LABELS.items()}
    return [
        ChangeLine(
            named.get(row.attribute, row.attribute),
            _shown(row.attribute, row.before),
            _shown(row.attribute, row.value),
            _origin(row),
        )
        for row in rows
    ]


def _origin(row: AttributeChange) -> Origin:
    said_by = row.said_by.get_full_name() or row.said_by.username if row.said_by else ""
    return Origin(str(row.get_source_display()), said_by, row.at)


def _source_words(code: str) -> str:
    return str(Source(code).label) if code in Source.values else code


def _shown(attribute: str, value: str) -> str:
    if attribute == "phone":
        return masked_phone(value) if value else ""
    if attribute == "gender" and value:
        gender = Customer.Gender(int(value))
        return str(gender.label) if gender else ""
    return {"true": _("是"), "false": _("否")}.get(value, value)
