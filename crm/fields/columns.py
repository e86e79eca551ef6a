"""The company's own fields as columns of the customer list."""

from collections.abc import Sequence

from crm.customers.columns import Column
from crm.fields.models import FieldValue
from crm.fields.queries import active_fields
from crm.fields.values import words

PREFIX = "field."


class FieldColumns:
    """A column for every field in use."""

    def columns(self) -> list[Column]:
        """In the order of the fields."""
        return [Column(f"{PREFIX}{field.key}", field.label) for field in active_fields()]

    def read(self, codes: Sequence[str], ids: Sequence[int]) -> dict[str, dict[int, str]]:
        """What these customers' fields say, in words; one question."""
        keys = [code.removeprefix(PREFIX) for code in codes]
        rows = FieldValue.unsafe_all.filter(
            customer__in=ids, field__key__in=keys, field__is_active=True
        )
        found: dict[str, dict[int, str]] = {code: {} for code in codes}
        for row in rows.select_related("field"):
            found[PREFIX + row.field.key][row.customer_id] = words(row.field, row.value)
        return found
