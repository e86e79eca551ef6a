"""Codes and links through which customers come: contact ways, join ways, acquisition links."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from django.utils.translation import gettext as _

from crm.shared.text import clean_text
from crm.shared.times import from_unix
from crm.wecom.attachments import Attachment
from crm.wecom.records import Wire
from crm.wecom.words import within

SINGLE, SEVERAL = 1, 2
PLUGIN, QR_CODE = 1, 2
ANY_RELATED, CHOSEN_RELATED = 1, 2
CHANNEL_BYTES = 64


@dataclass(frozen=True)
class TemporaryChat:
    """What makes a contact way temporary (medical corporations only)."""

    code_seconds: int = 7 * 86_400
    chat_seconds: int = 86_400
    unionid: str = ""
    closing_text: str = ""
    closing: Attachment | None = None

    def to_wire(self) -> Wire:
        conclusions: Wire = {"text": {"content": self.closing_text}} if self.closing_text else {}
        if self.closing:
            conclusions[str(self.closing.kind)] = self.closing.body()
        fields = {"is_temp": True, "expires_in": self.code_seconds, "unionid": self.unionid}
        fields |= {"chat_expires_in": self.chat_seconds, "conclusions": conclusions}
        return {name: value for name, value in fields.items() if value}


@dataclass(frozen=True)
class ContactWay:
    """渠道活码: a code that leads to one of its agents, with a state that comes back in callbacks.

    One agent alone makes it a way for a single person. WeCom chooses among several by itself.
    """

    userids: tuple[str, ...] = ()
    department_ids: tuple[int, ...] = ()
    state: str = ""
    remark: str = ""
    skip_verify: bool = True
    is_exclusive: bool = False
    mark_source: bool = True
    scene: int = QR_CODE
    style: int = 0
    is_single: bool = False
    temporary: TemporaryChat | None = None
    config_id: str = ""
    qr_code: str = ""

    def to_wire(self) -> Wire:
        """All that can be changed; an update replaces the whole."""
        wire: Wire = {"user": list(self.userids), "state": self.state, "remark": self.remark}
        if self.department_ids:
            wire["party"] = list(self.department_ids)
        if self.scene == PLUGIN and self.style:
            wire["style"] = self.style
        wire |= {"skip_verify": self.skip_verify, "is_exclusive": self.is_exclusive}
        if not self.mark_source:
            wire["mark_source"] = False
        return wire | (self.temporary.to_wire() if self.temporary else {})

    @classmethod
    def from_wire(cls, wire: Wire) -> "ContactWay":
        return cls(
            userids=tuple(wire.get("user") or ()),
            department_ids=tuple(wire.get("party") or ()),
            state=wire.get("state") or "",
            remark=clean_text(wire.get("remark") or ""),
            skip_verify=bool(wire.get("skip_verify", True)),
            is_exclusive=bool(wire.get("is_exclusive", False)),
            mark_source=bool(wire.get("mark_source", True)),
            scene=int(wire.get("scene") or 0),
            style=int(wire.get("style") or 0),
            is_single=wire.get("type") == SINGLE,
            temporary=_temporary(wire) if wire.get("is_temp") else None,
            config_id=wire["config_id"],
            qr_code=wire.get("qr_code") or "",
        )


def _temporary(wire: Wire) -> TemporaryChat:
    conclusions = dict(wire.get("conclusions") or {})
    said = (conclusions.pop("text", None) or {}).get("content") or ""
    cards = [Attachment.from_wire({"msgtype": kind, kind: c}) for kind, c in conclusions.items()]
    return TemporaryChat(
        code_seconds=int(wire.get("expires_in") or 0),
        chat_seconds=int(wire.get("chat_expires_in") or 0),
        unionid=wire.get("unionid") or "",
        closing_text=clean_text(said),
        closing=cards[0] if cards else None,
    )


@dataclass(frozen=True)
class WayCreated:
    """WeCom lists ways only since 2021 and join ways never: keep the id."""

    config_id: str
    qr_code: str = ""


@dataclass(frozen=True)
class JoinWay:
    """入群码: a code that leads into the first of its groups with room."""

    chat_ids: tuple[str, ...]
    state: str = ""
    remark: str = ""
    opens_groups: bool = True
    group_name: str = ""
    first_number: int = 1
    mark_source: bool = True
    scene: int = QR_CODE
    config_id: str = ""
    qr_code: str = ""

    def to_wire(self) -> Wire:
        """The whole, as an update replaces all of it."""
        wire: Wire = {"scene": self.scene, "chat_id_list": list(self.chat_ids)}
        wire |= {"state": self.state, "remark": self.remark}
        wire["auto_create_room"] = int(self.opens_groups)
        if self.group_name:
            wire |= {"room_base_name": self.group_name, "room_base_id": self.first_number}
        return wire if self.mark_source else wire | {"mark_source": False}

    @classmethod
    def from_wire(cls, wire: Wire) -> "JoinWay":
        return cls(
            chat_ids=tuple(wire.get("chat_id_list") or ()),
            state=wire.get("state") or "",
            remark=clean_text(wire.get("remark") or ""),
            opens_groups=bool(wire.get("auto_create_room", 1)),
            group_name=clean_text(wire.get("room_base_name") or ""),
            first_number=int(wire.get("room_base_id") or 0),
            mark_source=bool(wire.get("mark_source", True)),
            scene=int(wire.get("scene") or 0),  # Some answers say 3.
            config_id=wire["config_id"],
            qr_code=wire.get("qr_code") or "",
        )


@dataclass(frozen=True)
class AcquisitionLink:
    """获客链接: a paid link; ``prefers`` sends customers to an agent who knows them already."""

    name: str
    userids: tuple[str, ...] = ()
    department_ids: tuple[int, ...] = ()
    skip_verify: bool = True
    mark_source: bool = True
    prefers: int = 0
    preferred_userids: tuple[str, ...] = ()
    link_id: str = ""
    url: str = ""
    created_at: datetime | None = None

    def address(self, channel: str) -> str:
        """The link with a channel that comes back as the state of its customers."""
        within(channel, CHANNEL_BYTES, _("渠道参数"))
        joint = "&" if "?" in self.url else "?"
        return f"{self.url}{joint}customer_channel={quote(channel, safe='')}"

    def to_wire(self) -> Wire:
        people = {"user_list": list(self.userids), "department_list": list(self.department_ids)}
        wire: Wire = {"link_name": self.name, "range": people, "skip_verify": self.skip_verify}
        if self.prefers:
            chosen = list(self.preferred_userids)
            wire["priority_option"] = {
                "priority_type": self.prefers,
                **({"priority_userid_list": chosen} if chosen else {}),
            }
        return wire if self.mark_source else wire | {"mark_source": False}

    @classmethod
    def from_wire(cls, wire: Wire, *, link_id: str) -> "AcquisitionLink":
        """From the answer of ``get``, which does not repeat the id."""
        link, people = wire["link"], wire.get("range") or {}
        priority = wire.get("priority_option") or {}
        return cls(
            name=clean_text(link.get("link_name") or ""),
            userids=tuple(people.get("user_list") or ()),
            department_ids=tuple(people.get("department_list") or ()),
            skip_verify=bool(link.get("skip_verify", True)),
            mark_source=bool(link.get("mark_source", True)),
            prefers=int(priority.get("priority_type") or 0),
            preferred_userids=tuple(priority.get("priority_userid_list") or ()),
            link_id=link_id,
            url=link["url"],
            created_at=from_unix(int(link["create_time"])),
        )


@dataclass(frozen=True)
class LinkCreated:
    link_id: str
    url: str


@dataclass(frozen=True)
class LinkCustomer:
    """Somebody who was added through a link; ``has_written`` once the customer said anything."""

    external_userid: str
    userid: str
    has_written: bool
    state: str

    @classmethod
    def from_wire(cls, wire: Wire) -> "LinkCustomer":
        wrote, state = wire.get("chat_status") == 1, wire.get("state") or ""
        return cls(wire["external_userid"], wire["userid"], wrote, state)


@dataclass(frozen=True)
class LinkQuota:
    """How many customers may still be added, and when parts of that expire."""

    total: int
    balance: int
    expiring: Mapping[datetime, int] = field(default_factory=dict)

    @classmethod
    def from_wire(cls, wire: Wire) -> "LinkQuota":
        parts = wire.get("quota_list") or ()
        expiring: dict[datetime, int] = {}
        for part in parts:
            day = from_unix(int(part["expire_date"]))
            expiring[day] = expiring.get(day, 0) + int(part["balance"])
        return cls(int(wire["total"]), int(wire["balance"]), expiring)


@dataclass(frozen=True)
class LinkFigures:
    """Customers who opened a link in a span, and those who were added."""

    clicks: int
    added: int


@dataclass(frozen=True)
class LinkChat:
    """Where a customer of a link stands, by the key of an event."""

    userid: str
    external_userid: str
    messages: int
    link_id: str
    state: str

    @classmethod
    def from_wire(cls, wire: Wire) -> "LinkChat":
        info: dict[str, Any] = wire.get("chat_info") or {}
        return cls(
            userid=wire["userid"],
            external_userid=wire["external_userid"],
            messages=int(info.get("recv_msg_cnt") or 0),
            link_id=info.get("link_id") or "",
            state=info.get("state") or "",
        )
