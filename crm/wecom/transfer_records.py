"""Transfers of customers and groups (继承) as WeCom reports them."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import IntegerChoices
from django.utils.translation import gettext_lazy as _

from crm.shared.times import from_unix
from crm.wecom.records import Wire


class TransferStatus(IntegerChoices):
    """How far a transfer is; without an answer of the customer it is done after 24 hours."""

    DONE = 1, _("已接替")
    WAITING = 2, _("等待接替")
    REFUSED = 3, _("客户拒绝")
    FULL = 4, _("接替员工客户数已满")
    NO_RECORD = 5, _("无接替记录")
    UNKNOWN = -1, _("未知状态")

    @classmethod
    def of(cls, code: object) -> "TransferStatus":
        return cls(code) if code in cls.values else cls.UNKNOWN


@dataclass(frozen=True)
class TransferStarted:
    """The first answer for one customer: ``code`` 0 says that it was started, not done."""

    external_userid: str
    code: int


@dataclass(frozen=True)
class TransferSeen:
    """How one transfer ended or goes; ``at`` is when the customer changed hands."""

    external_userid: str
    status: TransferStatus
    at: datetime | None

    @classmethod
    def from_wire(cls, wire: Wire) -> "TransferSeen":
        seconds = int(wire.get("takeover_time") or 0)
        status = TransferStatus.of(wire.get("status"))
        return cls(wire["external_userid"], status, from_unix(seconds) if seconds else None)


@dataclass(frozen=True)
class UnassignedSeen:
    """A customer whose agent has left and whom nobody has taken over."""

    userid: str
    external_userid: str
    left_at: datetime

    @classmethod
    def from_wire(cls, wire: Wire) -> "UnassignedSeen":
        left_at = from_unix(int(wire["dimission_time"]))
        return cls(wire["handover_userid"], wire["external_userid"], left_at)


@dataclass(frozen=True)
class GroupNotTransferred:
    """A group that could not change hands, and why."""

    chat_id: str
    code: int
