"""Customer data that leaves the masked screen: whole phone numbers, and files."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.db import transaction
from django.utils.translation import gettext as _

from crm.agents.actions import audit
from crm.agents.models import User
from crm.customers.columns import Column, cells_of, file_header, file_row, usual
from crm.customers.models import Customer, CustomerQuerySet
from crm.customers.queries import customer_rows, sort_order
from crm.shared.errors import DomainError
from crm.shared.paging import ordered
from crm.shared.text import clean_text

REVEALS_PER_HOUR = 30
EXPORT_ROWS = 50_000
_CHUNK = 500


class RevealRefused(DomainError):
    """A phone number stays masked."""


class ExportRefused(DomainError):
    """A list is not written to a file."""


@transaction.atomic
def reveal_phone(*, customer: Customer, reason: str, by: User, now: datetime) -> str:
    """The whole phone number, after the audit entry that says who wanted it and why.

    Raises RevealRefused without a reason, or when the hour's allowance is used up.
    """
    if not (reason := clean_text(reason, limit=200)):
        raise RevealRefused(_("请写明查看原因"), field="reason")
    if not _allowed(by, now):
        raise RevealRefused(
            _("一小时内最多查看 %(n)s 个号码，请稍后再试") % {"n": REVEALS_PER_HOUR}
        )
    audit(by, "customer.reveal", customer, reason=reason, now=now)
    return customer.phone


def _allowed(by: User, now: datetime) -> bool:
    # One counter per person and clock hour; ``incr`` is atomic in the cache server.
    key = f"reveal:{by.pk}:{now:%Y%m%d%H}"
    cache.add(key, 0, timeout=2 * 3600)
    return cache.incr(key) <= REVEALS_PER_HOUR


def export_customers(
    found: CustomerQuerySet,
    *,
    sort: str,
    by: User,
    now: datetime,
    action: str = "customers.export",
    columns: Sequence[Column] | None = None,
    **details: Any,
) -> Iterator[list[Any]]:
    """Rows for a file of these customers, as masked as on the screen; the audit entry comes first.

    Raises ExportRefused above the cap: a file that silently stops short would be a wrong answer.
    """
    rows = ordered(found, sort_order(sort))
    ids = list(rows.values_list("pk", flat=True)[: EXPORT_ROWS + 1])
    if len(ids) > EXPORT_ROWS:
        raise ExportRefused(
            _("超过 %(n)s 位客户，未导出。请缩小筛选范围。") % {"n": f"{EXPORT_ROWS:,}"}
        )
    audit(by, action, now=now, customers=len(ids), **details)
    return _export_rows(ids, usual() if columns is None else columns)


def export_header(columns: Sequence[Column] | None = None) -> list[str]:
    """The head of a file of customers; without columns, the usual ones."""
    return file_header(usual() if columns is None else columns)


def _export_rows(ids: list[int], columns: Sequence[Column]) -> Iterator[list[Any]]:
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        loaded = Customer.unsafe_all.select_related("channel").in_bulk(chunk)
        rows = customer_rows(loaded[pk] for pk in chunk if pk in loaded)
        for row, cells in zip(rows, cells_of(rows, columns), strict=True):
            yield file_row(row, cells)
