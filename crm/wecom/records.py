"""What WeCom answers, in our words: frozen records made from the wire's JSON."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crm.shared.text import clean_text
from crm.shared.times import from_unix

Wire = dict[str, Any]
CORP_TAG = 1


def _text(wire: Wire, name: str, limit: int) -> str:
    return clean_text(str(wire.get(name) or ""), limit=limit)


@dataclass(frozen=True)
class Page:
    """One page of a list as it came, and where the next one starts ("" at the end).

    ``left_out`` names agents whom the answer does not cover although they were asked about.
    """

    items: list[Wire]
    next_cursor: str
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class TagSeen:
    wecom_id: str
    name: str
    order: int


@dataclass(frozen=True)
class TagGroupSeen:
    """A group of corp tags with the tags in it."""

    wecom_id: str
    name: str
    order: int
    tags: tuple[TagSeen, ...]

    @classmethod
    def from_wire(cls, wire: Wire) -> "TagGroupSeen":
        tags = tuple(
            TagSeen(tag["id"], _text(tag, "name", 64), int(tag.get("order") or 0))
            for tag in wire.get("tag") or []
            if not tag.get("deleted")
        )
        name, order = _text(wire, "group_name", 64), int(wire.get("order") or 0)
        return cls(wire["group_id"], name, order, tags)


@dataclass(frozen=True)
class ExternalSeen:
    """A person outside the company, as WeCom shows them."""

    external_userid: str
    name: str
    avatar: str = ""
    gender: int = 0
    unionid: str = ""

    @classmethod
    def from_wire(cls, wire: Wire) -> "ExternalSeen":
        gender = wire.get("gender") or 0
        return cls(
            external_userid=wire["external_userid"],
            name=_text(wire, "name", 128),
            avatar=_text(wire, "avatar", 512),
            gender=gender if gender in (0, 1, 2) else 0,
            unionid=_text(wire, "unionid", 64),
        )


@dataclass(frozen=True)
class RelationSeen:
    """One agent's relation with a customer."""

    userid: str
    added_at: datetime
    add_way: int = 0
    state: str = ""
    remark: str = ""
    description: str = ""
    phone: str = ""
    tag_ids: tuple[str, ...] = ()

    @classmethod
    def from_wire(cls, wire: Wire) -> "RelationSeen":
        # One call names tags with their type, the other only by id (and then no personal ones).
        named = [t["tag_id"] for t in wire.get("tags") or [] if t.get("type") == CORP_TAG]
        phones = [phone for phone in wire.get("remark_mobiles") or [] if phone]
        return cls(
            userid=wire["userid"],
            added_at=from_unix(int(wire["createtime"])),
            add_way=int(wire.get("add_way") or 0),
            state=_text(wire, "state", 64),
            remark=_text(wire, "remark", 128),
            description=_text(wire, "description", 512),
            phone=clean_text(str(phones[0]), limit=32) if phones else "",
            tag_ids=tuple(sorted(named or wire.get("tag_id") or [])),
        )


@dataclass(frozen=True)
class ContactSeen:
    """A customer with the relations that were listed with them."""

    customer: ExternalSeen
    relations: tuple[RelationSeen, ...]

    @classmethod
    def from_pair(cls, wire: Wire) -> "ContactSeen":
        """From an element of the batch call: one customer, one relation."""
        customer = ExternalSeen.from_wire(wire["external_contact"])
        return cls(customer, (RelationSeen.from_wire(wire["follow_info"]),))


@dataclass(frozen=True)
class GroupMemberSeen:
    userid: str
    is_customer: bool
    joined_at: datetime
    join_scene: int
    state: str
    invited_by: str
    nickname: str
    name: str
    unionid: str

    @classmethod
    def from_wire(cls, wire: Wire) -> "GroupMemberSeen":
        return cls(
            userid=wire["userid"],
            is_customer=wire.get("type") == 2,
            joined_at=from_unix(int(wire["join_time"])),
            join_scene=int(wire.get("join_scene") or 0),
            state=_text(wire, "state", 64),
            invited_by=_text(wire.get("invitor") or {}, "userid", 64),
            nickname=_text(wire, "group_nickname", 128),
            name=_text(wire, "name", 128),
            unionid=_text(wire, "unionid", 64),
        )


@dataclass(frozen=True)
class GroupSeen:
    """A customer group with everybody in it."""

    chat_id: str
    name: str
    owner: str
    opened_at: datetime
    notice: str
    member_version: str
    members: tuple[GroupMemberSeen, ...]

    @classmethod
    def from_wire(cls, wire: Wire) -> "GroupSeen":
        return cls(
            chat_id=wire["chat_id"],
            name=_text(wire, "name", 128),
            owner=_text(wire, "owner", 64),
            opened_at=from_unix(int(wire["create_time"])),
            notice=_text(wire, "notice", 4000),
            member_version=_text(wire, "member_version", 64),
            members=tuple(GroupMemberSeen.from_wire(m) for m in wire.get("member_list") or []),
        )


@dataclass(frozen=True)
class BehaviorDay:
    """One agent's day in WeCom's statistics; a share is None on a day without such chats."""

    day_at: datetime
    requests_sent: int
    contacts_added: int
    chats: int
    messages: int
    reply_percentage: float | None
    first_reply_minutes: float | None
    lost: int

    @classmethod
    def from_wire(cls, wire: Wire) -> "BehaviorDay":
        return cls(
            day_at=from_unix(int(wire["stat_time"])),
            requests_sent=int(wire.get("new_apply_cnt") or 0),
            contacts_added=int(wire.get("new_contact_cnt") or 0),
            chats=int(wire.get("chat_cnt") or 0),
            messages=int(wire.get("message_cnt") or 0),
            reply_percentage=wire.get("reply_percentage"),
            first_reply_minutes=wire.get("avg_reply_time"),
            lost=int(wire.get("negative_feedback_cnt") or 0),
        )


@dataclass(frozen=True)
class GroupFigures:
    """Groups of one owner over a span, or of several on one day (then ``day_at`` tells it)."""

    groups_opened: int
    groups: int
    groups_active: int
    people_joined: int
    people: int
    people_active: int
    messages: int
    day_at: datetime | None = None

    @classmethod
    def from_wire(cls, wire: Wire, day: int | None = None) -> "GroupFigures":
        return cls(
            groups_opened=int(wire.get("new_chat_cnt") or 0),
            groups=int(wire.get("chat_total") or 0),
            groups_active=int(wire.get("chat_has_msg") or 0),
            people_joined=int(wire.get("new_member_cnt") or 0),
            people=int(wire.get("member_total") or 0),
            people_active=int(wire.get("member_has_msg") or 0),
            messages=int(wire.get("msg_total") or 0),
            day_at=from_unix(int(day)) if day else None,
        )


@dataclass(frozen=True)
class ServedSeen:
    """Somebody who was served: a customer, or a person whom an agent only met in a group."""

    is_customer: bool
    userid: str
    added_at: datetime
    external_userid: str = ""
    temporary_id: str = ""
    name: str = ""
    chat_id: str = ""
    chat_name: str = ""

    @classmethod
    def from_wire(cls, wire: Wire) -> "ServedSeen":
        return cls(
            is_customer=bool(wire.get("is_customer")),
            userid=_text(wire, "follow_userid", 64),
            added_at=from_unix(int(wire["add_time"])),
            external_userid=_text(wire, "external_userid", 64),
            temporary_id=_text(wire, "tmp_openid", 128),
            name=_text(wire, "name", 128),
            chat_id=_text(wire, "chat_id", 64),
            chat_name=_text(wire, "chat_name", 128),
        )


@dataclass(frozen=True)
class Media:
    """An uploaded file; WeCom forgets it after three days."""

    media_id: str
    created_at: datetime


@dataclass(frozen=True)
class AppMessageSent:
    """``card_code`` changes the buttons of a template card once, within a day."""

    msgid: str
    invalid_userids: tuple[str, ...]
    card_code: str = ""


@dataclass(frozen=True)
class File:
    """A file that was downloaded."""

    content: bytes
    content_type: str


@dataclass(frozen=True)
class UploadJob:
    """A file that WeCom fetches by itself; ``code`` is 0 unless it failed."""

    is_finished: bool
    code: int = 0
    media: Media | None = None


@dataclass(frozen=True)
class Ticket:
    """What a page of ours needs to call WeCom's JavaScript; cached like a token."""

    value: str
    lifetime: int


@dataclass(frozen=True)
class SignedIn:
    """Who has signed in; the ticket opens what the member agreed to hand over."""

    userid: str
    ticket: str
