"""How the inbox is doing, what was parked and why, and what WeCom only notifies of."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Min, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.callbacks.models import InboxEvent
from crm.callbacks.refusals import refusals
from crm.wecom.errors import words_for

State = InboxEvent.State
LATE_AFTER = timedelta(minutes=5)

_OUR_KEYS = gettext_lazy(
    "请核对回调的 Token、EncodingAESKey 与企业编号；若都正确，则有人在伪造请求"
)
_OUR_CLOCK = gettext_lazy("请核对服务器时钟（允许相差 5 分钟）；若时钟正确，则有人在重放请求")
_FORGED = gettext_lazy("不是企业微信发来的请求，已拒绝，不用处理")
REFUSED = {
    "size": (gettext_lazy("请求过大"), _FORGED),
    "shape": (gettext_lazy("参数格式不对"), _FORGED),
    "time": (gettext_lazy("时间相差过大"), _OUR_CLOCK),
    "signature": (gettext_lazy("签名不符"), _OUR_KEYS),
    "base64": (gettext_lazy("密文不是 Base64"), _OUR_KEYS),
    "length": (gettext_lazy("密文长度不对"), _OUR_KEYS),
    "padding": (gettext_lazy("解密后填充不对"), _OUR_KEYS),
    "bounds": (gettext_lazy("解密后长度不对"), _OUR_KEYS),
    "receiveid": (gettext_lazy("接收方不是本企业"), _OUR_KEYS),
    "xml": (gettext_lazy("不是可接受的 XML"), _FORGED),
    "encoding": (gettext_lazy("不是 UTF-8"), _FORGED),
    "unconfigured": (gettext_lazy("尚未配置回调"), gettext_lazy("请设置 WECOM_CALLBACK_TOKEN 等")),
}


@dataclass(frozen=True)
class Refusal:
    """How many requests were refused today for a reason, in words, and what to do about it."""

    words: str
    count: int
    remedy: str


@dataclass(frozen=True)
class InboxHealth:
    """Counts of the inbox now. ``waiting_since`` is the arrival of the oldest row that is due."""

    waiting: int
    waiting_since: datetime | None
    parked: int
    handled_today: int
    last_at: datetime | None
    refused: tuple[Refusal, ...]
    is_late: bool

    @property
    def level(self) -> str:
        """The colour of its badge: bad, warn or good; "" before the first callback."""
        if self.parked:
            return "bad"
        if self.is_late:
            return "warn"
        return "good" if self.last_at else ""

    @property
    def state_words(self) -> str:
        """The state in a word."""
        return {
            "bad": _("有已搁置"),
            "warn": _("积压"),
            "good": _("正常"),
            "": _("尚未收到"),
        }[self.level]


def inbox_health(now: datetime) -> InboxHealth:
    """The state of the inbox at ``now``."""
    due = Q(state__in=[State.WAITING, State.LEASED], next_try_at__lte=now)
    counted = InboxEvent.objects.aggregate(
        waiting=Count("pk", filter=Q(state__in=[State.WAITING, State.LEASED])),
        waiting_since=Min("received_at", filter=due),
        parked=Count("pk", filter=Q(state=State.PARKED)),
        handled_today=Count("pk", filter=Q(finished_at__gt=now - timedelta(days=1))),
    )
    newest = InboxEvent.objects.order_by("-received_at").values_list("received_at", flat=True)
    since = counted["waiting_since"]
    return InboxHealth(
        **counted,
        last_at=newest.first(),
        refused=tuple(_refusal(reason, n) for reason, n in refusals(now).items()),
        is_late=since is not None and since < now - LATE_AFTER,
    )


def _refusal(reason: str, count: int) -> Refusal:
    words, remedy = REFUSED[reason]
    return Refusal(str(words), count, str(remedy))


# What was parked


@dataclass(frozen=True)
class ParkedReason:
    """A reason for parking, as stored and in words, with how many rows carry it."""

    token: str
    words: str
    count: int


def parked_events(params: Mapping[str, str]) -> QuerySet[InboxEvent]:
    """Parked rows, narrowed by reason and kind of event."""
    rows = InboxEvent.objects.filter(state=State.PARKED)
    if reason := params.get("reason", ""):
        rows = rows.filter(reason=reason)
    if event := params.get("event", ""):
        rows = rows.filter(event=event)
    return rows


def parked_reasons() -> list[ParkedReason]:
    """All reasons for which rows are parked now, the most frequent first."""
    parked = InboxEvent.objects.filter(state=State.PARKED).order_by()
    counted = parked.values_list("reason").annotate(n=Count("pk")).order_by("-n", "reason")
    return [ParkedReason(token, words_for(token) or "—", n) for token, n in counted]
