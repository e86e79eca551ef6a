"""Mass messages as tasks: members who send soon, late, partly or never, and what arrives.

As with moments, each member's intention is drawn when the task is dispatched and `settle` carries
out what is due by the virtual clock. A customer or a group takes only so many mass messages of
the whole corp in a month, those that members send of their own accord included.
"""

import json
import sqlite3
from typing import TYPE_CHECKING

from .clock import DAY, HOUR, day_start, days_in_month, month_start
from .dice import Dice

if TYPE_CHECKING:
    from .core import Sandbox

CORP, PERSONAL = 0, 1
WAITS, SENT, NO_FRIEND, FULL = 0, 1, 2, 3
DISPATCH_SECONDS = 3.0
SELECTS = 0.3  # Members who leave people out, where they may.
MONTHLY, WEEKLY, DAILY = 0, 1, 2  # The admin's rule of how much one customer receives.


def settle(sandbox: "Sandbox", db: sqlite3.Connection) -> None:
    """Send what members have decided to send by now."""
    now = sandbox.clock.now()
    due = db.execute(
        "select t.*, m.chat_type from mass_tasks t join mass_messages m using (msgid)"
        " where t.send_at <= ? and t.sent_at is null and m.cancelled_at is null"
        " and m.ready_at <= ? order by t.send_at, t.msgid, t.userid",
        (now, now),
    ).fetchall()
    for task in due:
        send(sandbox, db, task)


def plan(sandbox: "Sandbox", db: sqlite3.Connection, msgid: str, at: float, select: bool) -> None:
    """Give each member their intention: within minutes, within hours, or only when reminded."""
    found = db.execute(
        "select t.userid, m.diligence from mass_tasks t join members m using (userid)"
        " where t.msgid = ?",
        (msgid,),
    ).fetchall()
    for task in found:
        dice = Dice(f"{sandbox.config.plan.seed}/{msgid}/{task['userid']}/send")
        throw = dice.random()
        if throw < task["diligence"] * 0.8:
            wait = 5 + dice.soon(90)
        elif throw < task["diligence"]:
            wait = dice.uniform(0.3 * HOUR, 5 * HOUR)
        else:
            wait = None
        send_at = None if wait is None else at + wait / sandbox.config.speed
        share = round(dice.uniform(0.4, 0.9), 2) if select and dice.happens(SELECTS) else 1.0
        db.execute(
            "update mass_tasks set send_at = ?, share = ? where msgid = ? and userid = ?",
            (send_at, share, msgid, task["userid"]),
        )


def send(sandbox: "Sandbox", db: sqlite3.Connection, task: sqlite3.Row) -> None:
    """One member presses send; a part of the people may have been left out."""
    at, dice = task["send_at"], Dice(f"{task['msgid']}/{task['userid']}")
    db.execute(
        "update mass_tasks set sent_at = ? where msgid = ? and userid = ?",
        (at, task["msgid"], task["userid"]),
    )
    targets = [
        row["target"]
        for row in db.execute(
            "select target from mass_targets where msgid = ? and userid = ? order by target",
            (task["msgid"], task["userid"]),
        )
    ]
    if task["share"] < 1:
        targets = dice.sample(targets, max(1, int(len(targets) * task["share"])))
    for target in targets:
        status = _arrives(sandbox, db, task["userid"], target, task["chat_type"], at)
        db.execute(
            "update mass_targets set status = ?, sent_at = ?"
            " where msgid = ? and userid = ? and target = ?",
            (status, at, task["msgid"], task["userid"], target),
        )


def _arrives(
    sandbox: "Sandbox", db: sqlite3.Connection, userid: str, target: str, chat_type: str, at: float
) -> int:
    if chat_type == "single":
        friend = db.execute(
            "select 1 from relations where userid = ? and external_userid = ? and lost_by = ''"
            " and not half",
            (userid, target),
        ).fetchone()
        if friend is None:
            return NO_FRIEND
    since, most = cap(sandbox, at)
    had = db.execute(
        "select count(*) from mass_targets where target = ? and status = ? and sent_at >= ?"
        " and sent_at <= ?",
        (target, SENT, since, at),
    ).fetchone()[0]
    return SENT if had < most else FULL


def cap(sandbox: "Sandbox", at: float) -> tuple[float, int]:
    """Since when it is counted, and how much may come: as many as the month has days."""
    rule = int(sandbox.store.get("receive_rule", MONTHLY))
    if rule == DAILY:
        return day_start(at), 1
    if rule == WEEKLY:
        monday = day_start(at) - (day_start(at) // DAY + 4) % 7 * DAY
        return monday, 7
    return month_start(at), days_in_month(at)


def remind(sandbox: "Sandbox", db: sqlite3.Connection, userid: str, msgid: str = "") -> None:
    """The member is reminded of what waits: many who had forgotten send now."""
    now = sandbox.clock.now()
    waiting = db.execute(
        "select t.* from mass_tasks t join mass_messages m using (msgid)"
        " where t.userid = ? and (? = '' or t.msgid = ?) and t.sent_at is null"
        " and m.cancelled_at is null and (t.send_at is null or t.send_at > ?)",
        (userid, msgid, msgid, now + 120),
    ).fetchall()
    for task in waiting:
        dice = Dice(f"{sandbox.config.plan.seed}/{task['msgid']}/{userid}/{task['reminded']}")
        send_at = now + (5 + dice.soon(40)) / sandbox.config.speed
        db.execute(
            "update mass_tasks set reminded = reminded + 1, send_at = iif(?, ?, send_at)"
            " where msgid = ? and userid = ?",
            (dice.happens(0.65), send_at, task["msgid"], userid),
        )


def send_now(
    sandbox: "Sandbox", db: sqlite3.Connection, msgid: str, userid: str, share: float
) -> int:
    """For demos and tests: the named member, or all, send at once, to a share of the people."""
    done = db.execute(
        "update mass_tasks set send_at = ?, share = ? where msgid = ? and sent_at is null"
        " and (? = '' or userid = ?)",
        (sandbox.clock.now(), share, msgid, userid, userid),
    )
    settle(sandbox, db)
    return done.rowcount


def write_message(db: sqlite3.Connection, **fields) -> None:
    """A message with its content; who sends it to whom is written apart."""
    db.execute(
        "insert into mass_messages (msgid, app, creator, create_type, create_time, ready_at,"
        " chat_type, text, attachments) values (:msgid, :app, :creator, :create_type, :create_time,"
        " :ready_at, :chat_type, :text, :attachments)",
        {"app": "", "creator": "", "attachments": [], **fields}
        | {"attachments": json.dumps(fields.get("attachments", []), ensure_ascii=False)},
    )


def assign(db: sqlite3.Connection, msgid: str, pairs: list[tuple[str, str]]) -> None:
    """(member, customer or group) pairs become the tasks of these members."""
    db.executemany(
        "insert or ignore into mass_targets (msgid, userid, target) values (?, ?, ?)",
        [(msgid, userid, target) for userid, target in pairs],
    )
    db.executemany(
        "insert into mass_tasks (msgid, userid) values (?, ?)",
        [(msgid, userid) for userid in sorted({userid for userid, _ in pairs})],
    )
