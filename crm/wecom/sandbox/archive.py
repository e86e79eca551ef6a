"""The chat archive: what was said, encrypted in the order it was said, for five days.

Messages of customers get in only after their consent. The bell rings at most every 15 seconds and
names nothing: receivers pull from the sequence number they have.
"""

import base64
import hashlib
import json
import sqlite3
from typing import TYPE_CHECKING, Any

from . import archive_crypto
from .clock import DAY
from .dice import Dice

if TYPE_CHECKING:
    from .core import Sandbox

RETENTION = 5 * DAY
BELL_SECONDS = 15
AGENT_ID = 2000004
MOST, SLICE = 1000, 512 * 1024
TOO_LARGE, UNKNOWN_FILE, EXPIRED_FILE = 301058, 10005, 10010
AGREE, DISAGREE = "Agree", "Disagree"


def keys(db: sqlite3.Connection, now: float) -> list[sqlite3.Row]:
    """All versions, the newest last; a world begins with a pair of the sandbox's own."""
    find = "select * from archive_keys order by version"
    found = db.execute(find).fetchall()
    if not found:
        add_key(db, now, *archive_crypto.first_pair())
        found = db.execute(find).fetchall()
    return found


def add_key(db: sqlite3.Connection, now: float, public_pem: str, private_pem: str = "") -> int:
    """From now on messages are locked with this key; old ones stay as they are."""
    return db.execute(
        "insert into archive_keys (public_pem, private_pem, at) values (?, ?, ?)",
        (public_pem, private_pem, now),
    ).lastrowid


def append(sandbox: "Sandbox", db: sqlite3.Connection, message: dict[str, Any]) -> dict[str, Any]:
    """Store one message, whose `msgid` is made here. Sequence numbers have gaps."""
    now, dice = sandbox.clock.now(), sandbox.dice
    key = keys(db, now)[-1]
    people = [message.get("from", ""), *message.get("tolist", [])]
    external = any(who.startswith(("wm", "wo")) for who in people)
    number = 7_700_000_000_000_000_000 + sandbox.store.number("archive_messages")
    message = {"msgid": f"{number}_{int(now)}{'_external' if external else ''}", **message}
    plain = json.dumps(message, ensure_ascii=False)
    random_key, chat_msg = archive_crypto.seal(key["public_pem"], plain)
    last = db.execute("select coalesce(max(seq), 0) from archive").fetchone()[0]
    seq = last + (1 if dice.happens(0.9) else dice.randint(2, 5))
    db.execute(
        "insert into archive values (?, ?, ?, ?, ?, ?, ?)",
        (seq, message["msgid"], now, key["version"], random_key, chat_msg, plain),
    )
    sandbox.store.put("archive_bell_due", True)
    settle(sandbox, db)
    return {"seq": seq, "archived": True, **message}


def settle(sandbox: "Sandbox", db: sqlite3.Connection) -> None:
    """Ring, if there is something new and the last ring is long enough ago."""
    now = sandbox.clock.now()
    rung_at = sandbox.store.get("archive_bell_at", 0)
    if sandbox.store.get("archive_bell_due") and not 0 <= now - rung_at < BELL_SECONDS:
        sandbox.store.put("archive_bell_due", False)
        sandbox.store.put("archive_bell_at", now)
        sandbox.postman.tell(db, "msgaudit_notify", AgentID=AGENT_ID)


def pull(sandbox: "Sandbox", db: sqlite3.Connection, seq: int, limit: int) -> list[dict] | int:
    """Messages after `seq`, or an errcode. What was not fetched in five days is lost."""
    if not 0 < limit <= MOST:
        return TOO_LARGE
    found = db.execute(
        "select * from archive where seq > ? and at > ? order by seq limit ?",
        (seq, sandbox.clock.now() - RETENTION, limit),
    ).fetchall()
    most = sandbox.store.get("archive_bytes", 0)
    if most and sum(len(row["chat_msg"]) for row in found) > most and len(found) > 1:
        return TOO_LARGE
    return [
        {
            "seq": row["seq"],
            "msgid": row["msgid"],
            "publickey_ver": row["version"],
            "encrypt_random_key": row["random_key"],
            "encrypt_chat_msg": row["chat_msg"],
        }
        for row in found
    ]


def new_file(sandbox: "Sandbox", db: sqlite3.Connection, size: int) -> dict[str, Any]:
    """A file somebody sent; its bytes follow from its id and are never stored."""
    return keep_file(db, sandbox.new_id("sdk"), size, sandbox.clock.now())


def keep_file(db: sqlite3.Connection, key: str, size: int, at: float) -> dict[str, Any]:
    """A file under a key that nobody else has; what messages say of it."""
    db.execute("insert into archive_files values (?, ?, ?)", (key, size, at))
    digest = hashlib.md5(_content(key, size), usedforsecurity=False).hexdigest()
    return {"sdkfileid": key, "md5sum": digest, "size": size}


def file_slice(
    sandbox: "Sandbox", db: sqlite3.Connection, key: str, index: str
) -> dict[str, Any] | int:
    """At most 512 KB, and where to go on; or an errcode."""
    row = db.execute("select * from archive_files where sdkfileid = ?", (key,)).fetchone()
    start = int(index) if index.isdecimal() and len(index) < 12 else 0
    if row is None or start > row["size"]:
        return UNKNOWN_FILE
    if sandbox.clock.now() - row["at"] > RETENTION:
        return EXPIRED_FILE
    end = min(start + SLICE, row["size"])
    return {
        "outindexbuf": str(end),
        "is_finish": int(end == row["size"]),
        "data": base64.b64encode(_content(key, row["size"])[start:end]).decode(),
    }


def _content(key: str, size: int) -> bytes:
    return Dice(key).randbytes(size)


def consent(
    db: sqlite3.Connection, userid: str, external_userid: str, room: str = ""
) -> sqlite3.Row | None:
    """What the customer has decided about this member, or about this group."""
    return db.execute(
        "select * from consents where room = ? and userid = ? and external_userid = ?",
        (room, "" if room else userid, external_userid),
    ).fetchone()


def decide(
    db: sqlite3.Connection, now: float, userid: str, external_userid: str, room: str, status: str
) -> None:
    db.execute(
        "insert or replace into consents values (?, ?, ?, ?, ?)",
        (room, "" if room else userid, external_userid, status, int(now)),
    )


def may_keep(db: sqlite3.Connection, userid: str, external_userid: str, room: str = "") -> bool:
    """Whether messages between these two, or of this customer in the group, are archived."""
    decided = consent(db, userid, external_userid, room)
    return decided is not None and decided["status"] == AGREE
