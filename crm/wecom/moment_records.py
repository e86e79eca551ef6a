"""Moments as WeCom reports them."""

from dataclasses import dataclass
from datetime import datetime

from crm.shared.text import clean_text
from crm.shared.times import from_unix
from crm.wecom.records import Wire

FINISHED = 3


@dataclass(frozen=True)
class Link:
    """The one link a moment may carry; ``media_id`` is its cover."""

    title: str
    url: str
    media_id: str


@dataclass(frozen=True)
class MomentJob:
    """How the creation of a moment goes; ``code`` is 0 when it went well."""

    is_finished: bool
    moment_id: str = ""
    code: int = 0
    message: str = ""
    invalid_userids: tuple[str, ...] = ()
    invalid_departments: tuple[int, ...] = ()
    invalid_tag_ids: tuple[str, ...] = ()

    @classmethod
    def from_wire(cls, wire: Wire) -> "MomentJob":
        if wire.get("status") != FINISHED:
            return cls(is_finished=False)
        result = wire.get("result") or {}
        senders = result.get("invalid_sender_list") or {}
        tags = result.get("invalid_external_contact_list") or {}
        return cls(
            is_finished=True,
            moment_id=result.get("moment_id") or "",
            code=int(result.get("errcode") or 0),
            message=str(result.get("errmsg") or ""),
            invalid_userids=tuple(senders.get("user_list") or ()),
            invalid_departments=tuple(senders.get("department_list") or ()),
            invalid_tag_ids=tuple(tags.get("tag_list") or ()),
        )


@dataclass(frozen=True)
class MomentSeen:
    """One record of the list of moments. ``creator`` is empty for those made over the API."""

    moment_id: str
    creator: str
    created_at: datetime
    is_corporate: bool
    is_public: bool
    text: str
    image_ids: tuple[str, ...]
    video_id: str
    link_title: str
    link_url: str

    @classmethod
    def from_wire(cls, wire: Wire) -> "MomentSeen":
        link = wire.get("link") or {}
        return cls(
            moment_id=wire["moment_id"],
            creator=wire.get("creator") or "",
            created_at=from_unix(int(wire["create_time"])),
            is_corporate=int(wire.get("create_type") or 0) == 0,
            is_public=int(wire.get("visible_type") or 0) == 1,
            text=clean_text((wire.get("text") or {}).get("content") or ""),
            image_ids=tuple(image["media_id"] for image in wire.get("image") or []),
            video_id=(wire.get("video") or {}).get("media_id") or "",
            link_title=link.get("title") or "",
            link_url=link.get("url") or "",
        )


@dataclass(frozen=True)
class MomentTaskSeen:
    """Whether one agent has pressed publish."""

    userid: str
    is_published: bool


@dataclass(frozen=True)
class Reaction:
    """A like or a comment (WeCom never tells its text) by a customer or by a colleague."""

    at: datetime
    external_userid: str = ""
    userid: str = ""

    @classmethod
    def from_wire(cls, wire: Wire) -> "Reaction":
        return cls(
            at=from_unix(int(wire["create_time"])),
            external_userid=wire.get("external_userid") or "",
            userid=wire.get("userid") or "",
        )


@dataclass(frozen=True)
class MomentReactions:
    comments: tuple[Reaction, ...]
    likes: tuple[Reaction, ...]
