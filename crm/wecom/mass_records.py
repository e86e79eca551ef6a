"""Mass sends (企业群发) as WeCom reports them."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import IntegerChoices
from django.utils.translation import gettext_lazy as _

from crm.shared.text import clean_text
from crm.shared.times import from_unix
from crm.wecom.attachments import Attachment
from crm.wecom.records import Wire

SENT_BY_AGENT = 2  # The status of a task; there is no 1.


class MassStatus(IntegerChoices):
    """What became of one recipient."""

    WAITING = 0, _("待员工发送")
    SENT = 1, _("已发送")
    NOT_FRIEND = 2, _("已不是好友")
    CAPPED = 3, _("接收次数已满")
    UNKNOWN = -1, _("未知状态")

    @classmethod
    def of(cls, code: object) -> "MassStatus":
        """A code that WeCom adds one day is data, not an error."""
        return cls(code) if code in cls.values else cls.UNKNOWN


@dataclass(frozen=True)
class MassCreated:
    """The id of the task, and the ids that were invalid or that nobody can reach."""

    msgid: str
    unreachable: tuple[str, ...]


@dataclass(frozen=True)
class MassSeen:
    """One record of the list of mass sends. ``creator`` is empty for those made over the API."""

    msgid: str
    creator: str
    created_at: datetime
    is_personal: bool
    text: str
    attachments: tuple[Attachment, ...]

    @classmethod
    def from_wire(cls, wire: Wire) -> "MassSeen":
        return cls(
            msgid=wire["msgid"],
            creator=wire.get("creator") or "",
            created_at=from_unix(int(wire["create_time"])),
            is_personal=int(wire.get("create_type") or 0) == 1,
            text=clean_text((wire.get("text") or {}).get("content") or ""),
            attachments=tuple(Attachment.from_wire(a) for a in wire.get("attachments") or []),
        )


@dataclass(frozen=True)
class MassTaskSeen:
    """Whether one agent has pressed send, and when."""

    userid: str
    is_sent: bool
    sent_at: datetime | None

    @classmethod
    def from_wire(cls, wire: Wire) -> "MassTaskSeen":
        return cls(wire["userid"], wire.get("status") == SENT_BY_AGENT, moment_of(wire))


@dataclass(frozen=True)
class MassResultSeen:
    """One recipient of one agent: a customer, or a group (then ``chat_id`` names it)."""

    userid: str
    status: MassStatus
    sent_at: datetime | None
    external_userid: str = ""
    chat_id: str = ""

    @classmethod
    def from_wire(cls, wire: Wire) -> "MassResultSeen":
        return cls(
            userid=wire.get("userid") or "",
            status=MassStatus.of(wire.get("status")),
            sent_at=moment_of(wire),
            external_userid=wire.get("external_userid") or "",
            chat_id=wire.get("chat_id") or "",
        )


def moment_of(wire: Wire) -> datetime | None:
    """When it was sent; absent or 0 while it was not."""
    seconds = int(wire.get("send_time") or 0)
    return from_unix(seconds) if seconds else None
