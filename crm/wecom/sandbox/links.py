"""Acquisition links: the quota that every new customer uses up, and what is left of it."""

import sqlite3
from typing import TYPE_CHECKING

from .clock import DAY

if TYPE_CHECKING:
    from .core import Sandbox

EVENT = "customer_acquisition"
BORN_WITH, GOOD_FOR = 1000, 365 * DAY
LOW = 20
WARN_DAYS = (14, 7, 3, 2, 1)


def ensure_quota(sandbox: "Sandbox", db: sqlite3.Connection) -> None:
    """A world starts with one bought packet."""
    if not sandbox.store.get("quota_born"):
        sandbox.store.put("quota_born", True)
        _buy(db, BORN_WITH, sandbox.clock.now() + GOOD_FOR)


def add_quota(sandbox: "Sandbox", db: sqlite3.Connection, count: int, expires_at: float) -> None:
    ensure_quota(sandbox, db)
    _buy(db, count, expires_at)
    sandbox.postman.tell(db, EVENT, ChangeType="balance_increased")


def _buy(db: sqlite3.Connection, count: int, expires_at: float) -> None:
    db.execute(
        "insert into link_quota (total, balance, expires_at) values (?, ?, ?)",
        (count, count, int(expires_at)),
    )


def packets(sandbox: "Sandbox", db: sqlite3.Connection) -> list[sqlite3.Row]:
    """Those still good, the first to expire first."""
    ensure_quota(sandbox, db)
    return db.execute(
        "select * from link_quota where expires_at > ? order by expires_at, id",
        (sandbox.clock.now(),),
    ).fetchall()


def spend(sandbox: "Sandbox", db: sqlite3.Connection) -> bool:
    """One customer more; False when nothing is left."""
    found = packets(sandbox, db)
    left = sum(packet["balance"] for packet in found)
    packet = next((packet for packet in found if packet["balance"]), None)
    if packet is None:
        return False
    db.execute("update link_quota set balance = balance - 1 where id = ?", (packet["id"],))
    if left == LOW:
        sandbox.postman.tell(db, EVENT, ChangeType="balance_low")
    elif left == 1:
        sandbox.postman.tell(db, EVENT, ChangeType="balance_exhausted")
    return True


def settle(sandbox: "Sandbox", db: sqlite3.Connection) -> None:
    """Warn of quota that expires soon, once for each of the days told of."""
    now = sandbox.clock.now()
    due = db.execute(
        "select * from link_quota where balance > 0 and expires_at > ? and expires_at - ? <= ?",
        (now, now, WARN_DAYS[0] * DAY),
    ).fetchall()
    for packet in due:
        days = min(day for day in WARN_DAYS if packet["expires_at"] - now <= day * DAY)
        if days < packet["warned"]:
            db.execute("update link_quota set warned = ? where id = ?", (days, packet["id"]))
            sandbox.postman.tell(
                db,
                EVENT,
                ChangeType="quota_expire_soon",
                ExpireTime=packet["expires_at"],
                ExpireQuotaNum=packet["balance"],
            )


def customer(db: sqlite3.Connection, userid: str, external_userid: str) -> sqlite3.Row | None:
    """How this pair came together, if through a link."""
    return db.execute(
        "select * from link_customers where userid = ? and external_userid = ?",
        (userid, external_userid),
    ).fetchone()
