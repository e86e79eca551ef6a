"""Moments as tasks: a job, then members who publish soon, late or never, then likes.

Nothing here runs on a timer of its own: each moment's plan is drawn when it is dispatched, and
`settle` carries out whatever is due by the virtual clock. Reading settles first, so moving the
clock is enough to see hours pass.
"""

import json
import sqlite3
from typing import TYPE_CHECKING

from .clock import DAY, HOUR, day_start
from .dice import Dice

if TYPE_CHECKING:
    from .core import Sandbox

JOB_STARTED, JOB_RUNNING, JOB_DONE = 1, 2, 3
JOB_SECONDS, DISPATCH_SECONDS = 2.0, 3.0
FIRST_STAGE = 0.35  # Of the time a job takes.
SEEN_PER_DAY = 3  # Corp posts that one customer sees a day; pages disagree on the number.
SEES, LIKES, COMMENTS = 0.93, 0.05, 0.012


def settle(sandbox: "Sandbox", db: sqlite3.Connection) -> None:
    """Publish what members have decided to publish by now."""
    now = sandbox.clock.now()
    due = db.execute(
        "select t.*, m.tags, m.ready_at from moment_tasks t join moments m using (moment_id)"
        " where t.publish_at <= ? and t.published_at is null and m.cancelled_at is null"
        " and m.ready_at <= ? order by t.publish_at",
        (now, now),
    ).fetchall()
    for task in due:
        publish(db, task, Dice(f"{sandbox.config.plan.seed}/{task['moment_id']}/{task['userid']}"))


def plan_tasks(
    sandbox: "Sandbox", db: sqlite3.Connection, moment_id: str, userids: list[str], at: float
) -> None:
    """Give each member their intention: within minutes, within hours, or only when reminded."""
    habits = {row["userid"]: row["diligence"] for row in db.execute("select * from members")}
    for userid in userids:
        dice = Dice(f"{sandbox.config.plan.seed}/{moment_id}/{userid}/intent")
        throw = dice.random()
        if throw < habits[userid] * 0.8:
            wait = 5 + dice.soon(90)
        elif throw < habits[userid]:
            wait = dice.uniform(0.3 * HOUR, 5 * HOUR)
        else:
            wait = None
        publish_at = None if wait is None else at + wait / sandbox.config.speed
        db.execute(
            "insert into moment_tasks (moment_id, userid, publish_at) values (?, ?, ?)",
            (moment_id, userid, publish_at),
        )


def publish(db: sqlite3.Connection, task: sqlite3.Row, dice: Dice) -> None:
    """One member presses publish: the audience is fixed, some of it sees it, a few react."""
    at, day = task["publish_at"], day_start(task["publish_at"])
    db.execute(
        "update moment_tasks set published_at = ? where moment_id = ? and userid = ?",
        (at, task["moment_id"], task["userid"]),
    )
    audience = db.execute(
        "select external_userid, lost_by, (select count(*) from moment_audience a"
        "   where a.day = ? and a.external_userid = r.external_userid and a.sees) as seen"
        " from relations r where userid = ? and not half and lost_by <> 'agent'"
        " and createtime <= ? and (? = '[]' or exists (select 1 from relation_tags t"
        "   where t.userid = r.userid and t.external_userid = r.external_userid"
        "   and t.tag_id in (select value from json_each(?)))) order by external_userid",
        (day, task["userid"], at, task["tags"], task["tags"]),
    ).fetchall()
    for person in audience:
        reachable = person["lost_by"] == "" and person["seen"] < SEEN_PER_DAY
        sees = reachable and dice.happens(SEES)
        db.execute(
            "insert into moment_audience values (?, ?, ?, ?, ?)",
            (task["moment_id"], task["userid"], person["external_userid"], sees, day),
        )
        if sees:
            _react(db, task, person["external_userid"], at, dice)


def _react(
    db: sqlite3.Connection, task: sqlite3.Row, external_userid: str, at: float, dice: Dice
) -> None:
    for kind, share in (("like", LIKES), ("comment", COMMENTS)):
        if dice.happens(share):
            seconds = 10 + dice.soon(20 * 60)
            db.execute(
                "insert into moment_reactions values (?, ?, ?, ?, ?)",
                (task["moment_id"], task["userid"], kind, external_userid, at + seconds),
            )


def remind(sandbox: "Sandbox", db: sqlite3.Connection, userid: str) -> None:
    """An application message arrived: many who had forgotten publish now."""
    now = sandbox.clock.now()
    waiting = db.execute(
        "select t.moment_id, t.reminded from moment_tasks t join moments m using (moment_id)"
        " where t.userid = ? and t.published_at is null and m.cancelled_at is null"
        " and (t.publish_at is null or t.publish_at > ?)",
        (userid, now + 120),
    ).fetchall()
    for task in waiting:
        dice = Dice(
            f"{sandbox.config.plan.seed}/{task['moment_id']}/{userid}/{task['reminded']}/reminded"
        )
        publish_at = now + (5 + dice.soon(40)) / sandbox.config.speed
        db.execute(
            "update moment_tasks set reminded = reminded + 1,"
            " publish_at = iif(?, ?, publish_at) where moment_id = ? and userid = ?",
            (dice.happens(0.65), publish_at, task["moment_id"], userid),
        )


def publish_now(sandbox: "Sandbox", db: sqlite3.Connection, moment_id: str, userid: str) -> int:
    """For demos and tests: the named member, or all, publish at once."""
    done = db.execute(
        "update moment_tasks set publish_at = ? where moment_id = ? and published_at is null"
        " and (? = '' or userid = ?)",
        (sandbox.clock.now(), moment_id, userid, userid),
    )
    settle(sandbox, db)
    return done.rowcount


def job_state(job: sqlite3.Row, now: float) -> int:
    """1 started, 2 in progress, 3 finished."""
    if now >= job["due_at"]:
        return JOB_DONE
    first_stage = (job["due_at"] - job["started_at"]) * FIRST_STAGE
    return JOB_STARTED if now < job["started_at"] + first_stage else JOB_RUNNING


def chosen_members(db: sqlite3.Connection, senders: list[str] | None, tags: list[str]) -> list[str]:
    """Who gets the task: the named members, or all, of these only those with such customers."""
    everyone = [
        row["userid"]
        for row in db.execute(
            "select userid from members where visible and follows and status = 1 order by userid"
        )
    ]
    if senders is not None:
        return [userid for userid in everyone if userid in set(senders)]
    if not tags:
        return everyone
    tagged = {
        row["userid"]
        for row in db.execute(
            "select distinct userid from relation_tags"
            " where tag_id in (select value from json_each(?))",
            (json.dumps(tags),),
        )
    }
    return [userid for userid in everyone if userid in tagged]


def recently_pushed(db: sqlite3.Connection, now: float) -> sqlite3.Row | None:
    """A customer who saw several posts these days: the likeliest to leave next."""
    return db.execute(
        "select a.userid, a.external_userid from moment_audience a join relations r"
        " using (userid, external_userid) where a.day >= ? and a.sees and r.lost_by = ''"
        " group by a.external_userid having count(*) >= 2 order by random() limit 1",
        (day_start(now) - DAY,),
    ).fetchone()
