"""What WeCom only notifies of: the quota of acquisition links, and links that stopped working.

Such an event changes no row of ours. The newest ones are read back from the inbox, which keeps
them for 30 days, and shown until WeCom tells better or they are old.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm.callbacks.models import InboxEvent
from crm.callbacks.receiving import Message, parse_message
from crm.shared.formatting import when
from crm.shared.times import from_unix

EVENT = "customer_acquisition"
BALANCE = ("balance_low", "balance_exhausted", "balance_increased")
LINKS = ("link_unavailable", "delete_link")
LINKS_SHOWN = timedelta(days=7)
MOST = 20


@dataclass(frozen=True)
class Notice:
    """One thing that a person at the company should know, since when, and how bad it is."""

    words: str
    at: datetime
    level: str


def notices(now: datetime) -> list[Notice]:
    """What is still true of what WeCom has notified of, the newest first."""
    found = [*_balance(), *_expiry(now), *_links(now)]
    return sorted(found, key=lambda one: one.at, reverse=True)


def _balance() -> list[Notice]:
    row = _told(*BALANCE).first()
    if row is None or row.change_type == "balance_increased":
        return []
    if row.change_type == "balance_low":
        return [Notice(_("获客助手的额度不足 20 个，请购买"), row.happened_at, "warn")]
    return [Notice(_("获客助手的额度已用完，新客户无法通过获客链接添加"), row.happened_at, "bad")]


def _expiry(now: datetime) -> list[Notice]:
    row = _told("quota_expire_soon").first()
    if row is None:
        return []
    message = _message(row)
    until, count = _number(message, "ExpireTime"), _number(message, "ExpireQuotaNum")
    if not until or not count or from_unix(until) <= now:
        return []
    text = ngettext("%(n)s 个获客额度将于%(at)s过期", "%(n)s 个获客额度将于%(at)s过期", count)
    return [Notice(text % {"n": count, "at": when(from_unix(until))}, row.happened_at, "warn")]


def _links(now: datetime) -> list[Notice]:
    said = {
        "link_unavailable": _("获客链接 %(link)s 不可用，请在企业微信后台检查"),
        "delete_link": _("获客链接 %(link)s 已在企业微信后台删除，请停止投放"),
    }
    found: dict[str, Notice] = {}
    for row in _told(*LINKS).filter(happened_at__gt=now - LINKS_SHOWN)[:MOST]:
        link = _message(row).fields.get("LinkId", "")[:64]
        words = said[row.change_type] % {"link": link}
        found.setdefault(link, Notice(words, row.happened_at, "warn"))
    return list(found.values())


def _told(*change_types: str):
    rows = InboxEvent.objects.filter(event=EVENT, change_type__in=change_types)
    return rows.order_by("-happened_at", "-pk")


def _message(row: InboxEvent) -> Message:
    return parse_message(row.message.encode(), received_at=row.received_at)


def _number(message: Message, name: str) -> int:
    text = message.fields.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 11 else 0
