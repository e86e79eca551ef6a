"""The HTTP side of the chat archive (会话存档): seats, consents, groups of colleagues.

These calls take the token of the archive's own secret: ``wecom.archive_client()``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from crm.shared.text import clean_text
from crm.shared.times import from_unix
from crm.wecom import methods
from crm.wecom.calls.base import Calls, batches
from crm.wecom.limits import limits
from crm.wecom.records import Wire

AGREED = "Agree"
PERSON = "exteranalopenid"  # The real spelling on the wire.


@dataclass(frozen=True)
class Consent:
    """Whether a customer has agreed to the archive; ``at`` is None where nobody asked yet."""

    external_userid: str
    userid: str
    is_agreed: bool
    at: datetime | None

    @classmethod
    def from_wire(cls, wire: Wire) -> "Consent":
        seconds = int(wire.get("status_change_time") or 0)
        return cls(
            external_userid=wire[PERSON],
            userid=wire.get("userid") or "",
            is_agreed=wire.get("agree_status") == AGREED,
            at=from_unix(seconds) if seconds else None,
        )


@dataclass(frozen=True)
class InternalGroup:
    """A group of colleagues; those with customers are read by ``Client.group()``."""

    name: str
    creator: str
    opened_at: datetime
    notice: str
    userids: tuple[str, ...]

    @classmethod
    def from_wire(cls, wire: Wire) -> "InternalGroup":
        return cls(
            name=clean_text(wire.get("roomname") or ""),
            creator=wire.get("creator") or "",
            opened_at=from_unix(int(wire["room_create_time"])),
            notice=clean_text(wire.get("notice") or ""),
            userids=tuple(member["memberid"] for member in wire.get("members") or ()),
        )


@dataclass(frozen=True)
class Robot:
    robot_id: str
    name: str
    creator: str


class ArchiveCalls(Calls):
    def archived_members(self, kind: int = 0) -> list[str]:
        """Userids with a seat; ``kind`` 1 office, 2 service, 3 enterprise, 0 all."""
        return self._call(methods.ARCHIVED_MEMBERS, body={"type": kind} if kind else {})["ids"]

    def consents(self, pairs: Sequence[tuple[str, str]]) -> list[Consent]:
        """Consents of (userid, external_userid) pairs, asked about a hundred at a time."""
        found = []
        for batch in batches(pairs, limits().consents_per_call):
            body = {"info": [{"userid": userid, PERSON: key} for userid, key in batch]}
            found += self._call(methods.CONSENTS, body=body)["agreeinfo"]
        return [Consent.from_wire(row) for row in found]

    def group_consents(self, chat_id: str) -> list[Consent]:
        """Consents of the customers in a group."""
        rows = self._call(methods.GROUP_CONSENTS, body={"roomid": chat_id})["agreeinfo"]
        return [Consent.from_wire(row) for row in rows]

    def internal_group(self, room_id: str) -> InternalGroup:
        """A group of colleagues (301059 for one with customers)."""
        return InternalGroup.from_wire(self._call(methods.INTERNAL_GROUP, body={"roomid": room_id}))

    def robot(self, robot_id: str) -> Robot:
        """Who made a robot that takes part in chats."""
        wire = self._call(methods.ROBOT, query={"robot_id": robot_id})["data"]
        return Robot(wire["robot_id"], clean_text(wire["name"]), wire["creator_userid"])
