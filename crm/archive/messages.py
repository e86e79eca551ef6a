"""One decrypted message in our words: who, to whom, when, what kind, and the words in it.

Where sources disagree on a shape, both are read; kinds that nobody knows are kept whole in the row
and have neither words nor files here. Nothing in a message may raise: what is odd is left out.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from crm.shared.text import clean_text

Wire = dict[str, Any]
TEXT_LIMIT = 20_000
SWITCH = "switch"
CONSENT = {"agree": True, "disagree": False}
# Kinds whose body stands under another key.
_BODY_KEYS = {
    "external_redpacket": "redpacket",
    "docmsg": "doc",
    **dict.fromkeys(("markdown", "news", "voiptext", "qydiskfile", "meeting_notification"), "info"),
}
# What of a body is words, in this order.
_WORDS = {
    "text": ("content",),
    "markdown": ("content",),
    "card": ("corpname", "userid"),
    "location": ("title", "address"),
    "file": ("filename",),
    "link": ("title", "description", "link_url"),
    "weapp": ("displayname", "title", "description"),
    "todo": ("title", "content"),
    "collect": ("room_name", "title"),
    "redpacket": ("wish",),
    "external_redpacket": ("wish",),
    "meeting": ("topic", "address", "remarks"),
    "meeting_notification": ("content",),
    "docmsg": ("title", "link_url"),
    "calendar": ("title", "place", "remarks"),
    "voip_doc_share": ("filename",),
    "qydiskfile": ("filename",),
    "sphfeed": ("sph_name", "feed_desc"),
    "chatrecord": ("title",),
}
KINDS = frozenset(
    {"text", "image", "revoke", "agree", "disagree", "voice", "video", "card", "location"}
    | {"emotion", "file", "link", "weapp", "chatrecord", "todo", "vote", "collect", "redpacket"}
    | {"external_redpacket", "meeting", "meeting_notification", "docmsg", "markdown", "news"}
    | {"calendar", "mixed", "meeting_voice_call", "voip_doc_share", "voiptext", "qydiskfile"}
    | {"sphfeed", SWITCH}
)
_SIZES = ("filesize", "voice_size", "imagesize")
_EARLIEST = datetime(2016, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class MediaRef:
    """A file that a message holds: fetched separately, and soon, as the reference expires."""

    file_id: str
    md5: str
    size: int | None
    kind: str
    name: str


@dataclass(frozen=True)
class Consent:
    """A customer's decision about the archive, told by a message of its own."""

    userid: str
    agreed: bool
    decided_at: datetime | None


@dataclass(frozen=True)
class Said:
    """One message. ``kind`` is WeCom's ``msgtype``, or ``switch`` for the log line without one."""

    msgid: str
    action: str
    kind: str
    sender: str
    receivers: tuple[str, ...]
    room: str
    said_at: datetime | None
    text: str = ""
    media: tuple[MediaRef, ...] = ()
    revokes: str = ""
    consent: Consent | None = None

    @property
    def is_talk(self) -> bool:
        """Whether it says something to somebody, rather than about the archive."""
        return self.action == "send" and self.kind not in CONSENT


def read_message(wire: Wire) -> Said:
    """The message in our words."""
    action = _short(wire.get("action"), 16)
    kind = _short(wire.get("msgtype"), 32) or (SWITCH if action == SWITCH else "")
    body = _body(wire, kind)
    return Said(
        msgid=_short(wire.get("msgid"), 128),
        action=action,
        kind=kind,
        sender=_short(wire.get("from") or wire.get("user"), 64),
        receivers=tuple(_short(who, 64) for who in _list(wire.get("tolist")) if who),
        room=_short(wire.get("roomid"), 64),
        said_at=_instant(wire.get("msgtime") or wire.get("time")),
        text=clean_text("\n".join(_words(kind, body)), limit=TEXT_LIMIT),
        media=tuple(_media(kind, body)),
        revokes=_short(body.get("pre_msgid"), 128) if kind == "revoke" else "",
        consent=_consent(kind, body),
    )


def _body(wire: Wire, kind: str) -> Wire:
    """The fields of the kind: under its own key, under another, or flat beside the common ones."""
    for key in (_BODY_KEYS.get(kind, kind), kind):
        if isinstance(found := wire.get(key), dict):
            return found
    return wire if kind == "vote" else {}


def _words(kind: str, body: Wire) -> Iterator[str]:
    yield from _texts(body, *_WORDS.get(kind, ()))
    if kind == "vote":
        yield from _texts(body, "votetitle")
        yield from (str(item) for item in _list(body.get("voteitem")))
    elif kind == "collect":
        yield from _texts_of(body.get("details"), "ques")
    elif kind == "news":
        yield from _texts_of(body.get("item"), "title", "description", "url")
    elif kind == "meeting_voice_call":
        yield from _texts_of(body.get("demofiledata"), "filename")
    elif kind in ("mixed", "chatrecord"):
        for inner, content in _parts(body):
            yield from _words(inner, content)


def _media(kind: str, body: Wire) -> Iterator[MediaRef]:
    if kind in ("mixed", "chatrecord"):
        for inner, content in _parts(body):
            yield from _media(inner, content)
        return
    file_id = body.get("sdkfileid")
    if not isinstance(file_id, str) or not (file_id := clean_text(file_id)):
        return
    sizes = (_whole(body.get(name)) for name in _SIZES)
    yield MediaRef(
        file_id=file_id,
        md5=_short(body.get("md5sum"), 32).lower(),
        size=next((size for size in sizes if size is not None), None),
        kind=kind,
        name=_short(body.get("filename"), 255),
    )


def _parts(body: Wire) -> Iterator[tuple[str, Wire]]:
    """Items of a mixed message or a forwarded record. Their content is JSON in a string.

    A record inside a record is not opened further: it is kept, but only its title is read.
    """
    for item in _list(body.get("item")):
        if not isinstance(item, dict):
            continue
        kind = str(item.get("type") or "").removeprefix("ChatRecord").lower()
        content = item.get("content")
        if isinstance(content, str):
            content = _parsed(content)
        if isinstance(content, dict) and kind not in ("mixed", "chatrecord"):
            yield kind, content


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _consent(kind: str, body: Wire) -> Consent | None:
    if kind not in CONSENT:
        return None
    decided_at = _instant(body.get(f"{kind}_time"))
    return Consent(_short(body.get("userid"), 64), CONSENT[kind], decided_at)


def _texts(body: Wire, *names: str) -> Iterator[str]:
    yield from (body[name] for name in names if isinstance(body.get(name), str) and body[name])


def _texts_of(items: Any, *names: str) -> Iterator[str]:
    for item in _list(items):
        if isinstance(item, dict):
            yield from _texts(item, *names)


def _instant(value: Any) -> datetime | None:
    """Milliseconds, as the archive counts; what cannot be an instant of its life is none."""
    whole = _whole(value)
    if whole is None or whole > 10**14:
        return None
    at = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=whole)
    return at if at >= _EARLIEST else None


def _whole(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = int(value)
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number < 2**62 else None


def _short(value: Any, limit: int) -> str:
    return clean_text(value, limit=limit) if isinstance(value, str) else ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
