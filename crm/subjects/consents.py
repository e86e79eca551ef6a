"""What customers agreed to and what they declined: the chat archive, and marketing."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.agents.actions import audit
from crm.agents.models import User
from crm.archive.models import ArchiveConsent
from crm.customers.disclosure import EXPORT_ROWS, ExportRefused
from crm.customers.models import Customer
from crm.outreach.models import OptOut

HEADER = (
    gettext_lazy("客户编号"),
    gettext_lazy("客户"),
    gettext_lazy("与谁"),
    gettext_lazy("决定"),
    gettext_lazy("决定时间"),
    gettext_lazy("来源"),
)


@dataclass(frozen=True)
class Line:
    """One decision of one customer, in words."""

    about: str
    words: str
    level: str
    at: datetime
    source: str


def archive_consents(user: User, *, name: str = "", agreed: bool | None = None) -> QuerySet:
    """Last decisions about the chat archive of customers in scope, with whom they are about."""
    rows = ArchiveConsent.objects.filter(customer__in=Customer.objects.for_user(user))
    if name:
        rows = rows.filter(customer__in=Customer.unsafe_all.named_like(name))
    if agreed is not None:
        rows = rows.filter(agreed=agreed)
    return rows.select_related("customer", "agent", "group")


def line_of(row: ArchiveConsent) -> Line:
    """A decision about the archive in words; a group and an agent are told apart."""
    about = row.agent.name if row.agent else _("客户群“%(group)s”") % {"group": row.group.name}
    words, level = (_("同意存档"), "good") if row.agreed else (_("不同意存档"), "warn")
    return Line(about, words, level, row.decided_at, row.get_told_by_display())


def lines_of(customer: Customer) -> list[Line]:
    """Every decision that stands for this customer: marketing first, then the latest."""
    rows = ArchiveConsent.objects.filter(customer=customer).select_related("agent", "group")
    archive = [line_of(row) for row in rows.order_by("-decided_at", "pk")]
    opt_out = OptOut.unsafe_all.filter(customer=customer).select_related("recorded_by__agent")
    return [_marketing(row) for row in opt_out] + archive


def _marketing(row: OptOut) -> Line:
    source = row.recorded_by.get_full_name() if row.recorded_by else _("系统")
    return Line(_("营销消息"), _("已拒收"), "warn", row.since, source)


def export_consents(rows: QuerySet, *, by: User, now: datetime) -> Iterator[list[Any]]:
    """Lines for a file of these decisions; the audit entry comes first.

    Raises ExportRefused above the cap, as for a list of customers.
    """
    if (total := rows.count()) > EXPORT_ROWS:
        words = _("超过 %(n)s 条，未导出。请缩小筛选范围。")
        raise ExportRefused(words % {"n": f"{EXPORT_ROWS:,}"})
    audit(by, "consents.export", now=now, rows=total)
    return _file_lines(rows)


def _file_lines(rows: QuerySet) -> Iterator[list[Any]]:
    for row in rows.order_by("-decided_at", "pk").iterator(chunk_size=1000):
        line = line_of(row)
        who = row.customer
        yield [who.customer_no, who.name, line.about, line.words, line.at, line.source]
