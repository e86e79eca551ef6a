"""Keeping messages: what arrives together in one process is committed together.

Group commit without a thread of its own: whoever finds nobody writing writes for all who wait, and
hands over to one of those who came meanwhile. Each request still answers after its own commit.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from django.db import DatabaseError, OperationalError, connection
from django.db import Error as DatabaseFailure

from crm.callbacks.receiving import Message
from crm.shared import faults

log = structlog.get_logger("crm.callbacks")

LARGEST_GROUP = 64
PATIENCE_SECONDS = 4  # WeCom waits for five.

_INSERT = """
insert into crm_inboxevent (digest, message, event, change_type, happened_at, received_at, state,
                            next_try_at, attempts, deferrals, fence, reason)
select digest, message, event, change_type, happened_at, received_at, 'waiting', received_at,
       0, 0, 0, ''
from unnest(%s::bytea[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[])
     as come (digest, message, event, change_type, happened_at, received_at)
on conflict (digest) do nothing
returning digest
"""


class NotKept(DatabaseFailure):
    """The message is not surely committed: WeCom shall come again."""


@dataclass(eq=False)
class Arrival:
    message: Message
    at: datetime
    turn: threading.Event = field(default_factory=threading.Event)
    leads: bool = False
    is_new: bool | None = None


class GroupCommit:
    """Writes messages for the threads of this process, one group at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Arrival] = []
        self._busy = False

    def keep(self, message: Message, *, now: datetime) -> bool:
        """Return after the commit: False when the same message was there already."""
        mine = Arrival(message, now)
        with self._lock:
            self._waiting.append(mine)
            mine.leads, self._busy = not self._busy, True
        if not mine.leads:
            self._await_turn(mine)
        if mine.leads:
            self._write_for_all()
        if mine.is_new is None:
            raise NotKept
        return mine.is_new

    def _await_turn(self, mine: Arrival) -> None:
        if mine.turn.wait(PATIENCE_SECONDS):
            return
        with self._lock:
            if mine in self._waiting and not mine.leads:
                self._waiting.remove(mine)

    def _write_for_all(self) -> None:
        with self._lock:
            group = self._waiting[:LARGEST_GROUP]
            del self._waiting[:LARGEST_GROUP]
        try:
            write_group(group)
        except DatabaseFailure as error:
            log.error("callbacks not kept", messages=len(group), error=type(error).__name__)
        finally:
            self._hand_over(group)

    def _hand_over(self, group: list[Arrival]) -> None:
        with self._lock:
            if self._waiting:
                self._waiting[0].leads = True
                self._waiting[0].turn.set()
            else:
                self._busy = False
        for arrival in group:
            arrival.turn.set()


def write_group(group: Sequence[Arrival]) -> None:
    """Commit a group and note on each arrival whether it was new."""
    try:
        _commit(group)
    except OperationalError:
        raise
    except DatabaseError:
        if len(group) == 1:
            raise
        for arrival in group:  # One of them cannot be written: the others must not pay for it.
            _commit_alone(arrival)


def _commit_alone(arrival: Arrival) -> None:
    try:
        _commit([arrival])
    except OperationalError:
        raise
    except DatabaseError as error:
        log.error("callback cannot be kept", error=type(error).__name__)


def _commit(group: Sequence[Arrival]) -> None:
    # In one order everywhere: two processes that get the same messages must not wait in a ring.
    if faults.guarded("callbacks.group_order"):
        group = sorted(group, key=lambda arrival: arrival.message.digest)
    faults.point("callbacks.before_kept")
    new = _insert(group)
    faults.point("callbacks.kept")
    for arrival in group:  # Not before the commit.
        arrival.is_new = arrival in new


def _insert(group: Sequence[Arrival]) -> list[Arrival]:
    """The arrivals that brought something new; of twins in one group, the first."""
    columns = [
        [arrival.message.digest for arrival in group],
        [arrival.message.text for arrival in group],
        [arrival.message.event for arrival in group],
        [arrival.message.change_type for arrival in group],
        [arrival.message.happened_at for arrival in group],
        [arrival.at for arrival in group],
    ]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, columns)
        fresh = {bytes(digest) for (digest,) in cursor.fetchall()}
    first = {arrival.message.digest: arrival for arrival in reversed(group)}
    return [first[digest] for digest in fresh]


_commits = GroupCommit()


def keep_message(message: Message, *, now: datetime) -> bool:
    """Keep a message; True when it is new. Returns after its commit, or raises NotKept."""
    return _commits.keep(message, now=now)
