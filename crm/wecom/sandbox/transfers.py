"""Customers change hands: a notice, a day in which they may refuse, then it is done.

There is no event for success as such: the old member loses the relation (`DELETE_BY_TRANSFER`),
the new one has it. Remark, tags and channel belong to the old relation and stay behind.
"""

import sqlite3
from typing import TYPE_CHECKING

from .clock import DAY, HOUR, day_start

if TYPE_CHECKING:
    from .core import Sandbox

DONE, WAITING, REFUSED, FULL, UNKNOWN = 1, 2, 3, 4, 5
PATIENCE = DAY
REFUSALS = 0.06  # `settings {"refusals": p}` for more or none.
MOST_CUSTOMERS = 5000  # `settings {"customer_limit": {userid: n}}` for one member.
TRANSFERRED = 202
REASONS = {REFUSED: "customer_refused", FULL: "customer_limit_exceed"}
EVENT = "change_external_contact"


def start(
    sandbox: "Sandbox",
    db: sqlite3.Connection,
    handover: str,
    takeover: str,
    external_userid: str,
    *,
    resigned: bool,
) -> None:
    """The customer gets the notice; what they will do is drawn now."""
    now, dice = sandbox.clock.now(), sandbox.dice
    refuses = dice.happens(sandbox.store.get("refusals", REFUSALS))
    due_at = now + (dice.uniform(0.2, 20) * HOUR if refuses else PATIENCE)
    db.execute(
        "insert into transfers (handover, takeover, external_userid, resigned, started_at, due_at,"
        " refuses, status) values (?, ?, ?, ?, ?, ?, ?, ?)",
        (handover, takeover, external_userid, resigned, now, due_at, refuses, WAITING),
    )


def refuse(sandbox: "Sandbox", db: sqlite3.Connection, external_userid: str) -> int:
    """For demos and tests: the customer says no at once."""
    done = db.execute(
        "update transfers set refuses = 1, due_at = ? where external_userid = ? and status = ?",
        (sandbox.clock.now(), external_userid, WAITING),
    )
    settle(sandbox, db)
    return done.rowcount


def settle(sandbox: "Sandbox", db: sqlite3.Connection) -> None:
    """Finish what customers have decided, or have let pass, by now."""
    due = db.execute(
        "select * from transfers where status = ? and due_at <= ? order by due_at, id",
        (WAITING, sandbox.clock.now()),
    ).fetchall()
    for transfer in due:
        _finish(sandbox, db, transfer)


def _finish(sandbox: "Sandbox", db: sqlite3.Connection, transfer: sqlite3.Row) -> None:
    status = DONE
    if transfer["refuses"]:
        status = REFUSED
    elif is_full(sandbox, db, transfer["takeover"]):
        status = FULL
    db.execute(
        "update transfers set status = ?, finished_at = ? where id = ?",
        (status, transfer["due_at"], transfer["id"]),
    )
    who = {"ExternalUserID": transfer["external_userid"]}
    if status != DONE:
        reason = REASONS[status]
        sandbox.postman.tell(
            db,
            EVENT,
            ChangeType="transfer_fail",
            UserID=transfer["takeover"],
            **who,
            FailReason=reason,
        )
        return
    _hand_over(db, transfer)
    if not transfer["resigned"]:
        sandbox.postman.tell(
            db,
            EVENT,
            ChangeType="del_external_contact",
            UserID=transfer["handover"],
            **who,
            Source="DELETE_BY_TRANSFER",
        )
    sandbox.postman.tell(
        db, EVENT, ChangeType="add_external_contact", UserID=transfer["takeover"], **who
    )


def _hand_over(db: sqlite3.Connection, transfer: sqlite3.Row) -> None:
    old = (transfer["handover"], transfer["external_userid"])
    at = int(transfer["due_at"])
    db.execute(
        "update relations set lost_by = 'agent', lost_at = ?, half = 0"
        " where userid = ? and external_userid = ?",
        (at, *old),
    )
    db.execute("delete from relation_tags where userid = ? and external_userid = ?", old)
    db.execute(
        "insert into relations (userid, external_userid, createtime, add_way, oper_userid)"
        " values (?, ?, ?, ?, ?) on conflict do update set createtime = iif(lost_by = '',"
        " createtime, excluded.createtime), add_way = iif(lost_by = '', add_way,"
        " excluded.add_way), lost_by = '', lost_at = null, half = 0",
        (transfer["takeover"], transfer["external_userid"], at, TRANSFERRED, transfer["takeover"]),
    )


def is_full(sandbox: "Sandbox", db: sqlite3.Connection, userid: str) -> bool:
    """Whether this member can take nobody more."""
    most = sandbox.store.get("customer_limit", {}).get(userid, MOST_CUSTOMERS)
    have = db.execute(
        "select count(*) from relations where userid = ? and lost_by = '' and not half", (userid,)
    ).fetchone()[0]
    return have >= most


def running(db: sqlite3.Connection, external_userid: str) -> bool:
    return bool(
        db.execute(
            "select 1 from transfers where external_userid = ? and status = ?",
            (external_userid, WAITING),
        ).fetchone()
    )


def recent(db: sqlite3.Connection, external_userid: str, now: float) -> int:
    """How often in 90 calendar days, in service, refusals left aside."""
    return db.execute(
        "select count(*) from transfers where external_userid = ? and not resigned"
        " and status in (1, 2) and started_at >= ?",
        (external_userid, day_start(now) - 89 * DAY),
    ).fetchone()[0]


def leave(sandbox: "Sandbox", db: sqlite3.Connection, userid: str) -> None:
    """A member leaves the company: customers and groups wait for somebody else."""
    now = int(sandbox.clock.now())
    db.execute("update members set status = 5 where userid = ?", (userid,))
    db.execute("insert or ignore into leavers values (?, ?)", (userid, now))
    db.execute("update chats set status = 1 where owner = ? and dismissed_at is null", (userid,))
    db.execute("update moment_tasks set publish_at = null where userid = ?", (userid,))
    db.execute("update mass_tasks set send_at = null where userid = ?", (userid,))
