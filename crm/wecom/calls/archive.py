"""Who agreed to being archived; asked with the archive's own secret."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from crm.shared.times import from_unix
from crm.wecom import methods
from crm.wecom.calls.base import Calls, batches
from crm.wecom.records import Wire

PAIRS_PER_CALL = 100
_AGREED = "Agree"


@dataclass(frozen=True)
class ConsentSeen:
    """What a customer decided about an agent, or about a group (``userid`` is empty then)."""

    userid: str
    external_userid: str
    agreed: bool
    decided_at: datetime | None

    @classmethod
    def from_wire(cls, wire: Wire) -> "ConsentSeen":
        seconds = int(wire.get("status_change_time") or 0)
        return cls(
            userid=str(wire.get("userid") or ""),
            external_userid=str(wire["exteranalopenid"]),  # The real spelling on the wire.
            agreed=wire.get("agree_status") == _AGREED,
            decided_at=from_unix(seconds) if seconds else None,
        )


class ArchiveCalls(Calls):
    def archive_seats(self) -> list[str]:
        """Members whose chats are archived."""
        return list(self._call(methods.ARCHIVE_SEATS, body={})["ids"])

    def archive_consents(self, pairs: Sequence[tuple[str, str]]) -> list[ConsentSeen]:
        """What each (agent, customer) pair decided; a hundred pairs a call."""
        found: list[ConsentSeen] = []
        for batch in batches(pairs, PAIRS_PER_CALL):
            info = [{"userid": a, "exteranalopenid": c} for a, c in batch]
            answer = self._call(methods.ARCHIVE_CONSENT, body={"info": info})
            found += [ConsentSeen.from_wire(row) for row in answer["agreeinfo"]]
        return found

    def archive_room_consents(self, chat_id: str) -> list[ConsentSeen]:
        """What each customer of a group decided about it."""
        answer = self._call(methods.ARCHIVE_ROOM_CONSENT, body={"roomid": chat_id})
        return [ConsentSeen.from_wire(row) for row in answer["agreeinfo"]]
