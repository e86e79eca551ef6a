"""Customer data that leaves the masked screen: whole phone numbers, and files."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.agents.actions import audit
from crm.agents.models import User
from crm.customers.models import Customer, CustomerQuerySet
from crm.customers.queries import customer_rows, sort_order
from crm.shared.errors import DomainError
from crm.shared.paging import ordered
from crm.shared.text import clean_text

REVEALS_PER_HOUR = 30
EXPORT_ROWS = 50_000
_CHUNK = 500

EXPORT_HEADER = (
    gettext_lazy("客户编号"),
    gettext_lazy("昵称"),
    gettext_lazy("手机号"),
    gettext_lazy("是好友"),
    gettext_lazy("首次加微"),
    gettext_lazy("生命周期"),
    gettext_lazy("来源渠道"),
    gettext_lazy("员工"),
    gettext_lazy("标签"),
    gettext_lazy("最近动态"),
    gettext_lazy("付款订单数"),
    gettext_lazy("累计付款（元）"),
)


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
    return _export_rows(ids)


def _export_rows(ids: list[int]) -> Iterator[list[Any]]:
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        loaded = Customer.unsafe_all.select_related("channel").in_bulk(chunk)
        for row in customer_rows(loaded[pk] for pk in chunk if pk in loaded):
            yield [
                row.customer_no,
                row.name,
                row.phone,
                _("是") if row.is_friend else _("否"),
                row.friend_since,
                row.stage,
                row.channel,
                "、".join(row.agents),
                "、".join(row.tags),
                row.last_fact_at,
                row.order_count,
                f"{row.paid_cents // 100}.{row.paid_cents % 100:02d}",
            ]
