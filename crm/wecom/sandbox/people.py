"""Who may be asked about: members inside the app's scope and their relations."""

import sqlite3

from .api import Call
from .wire import Refused


def member(call: Call, userid: str, *, left: bool = False) -> sqlite3.Row:
    """A member whom the app may see, else 60111 or 60011; `left` takes former ones, too."""
    row = call.db.execute("select * from members where userid = ?", (userid,)).fetchone()
    if row is None or (row["status"] == 5 and not left):
        raise Refused(60111, userid)
    if not row["visible"]:
        raise Refused(60011, userid)
    return row


def follower(call: Call, userid: str) -> sqlite3.Row:
    """A member who also has the right of customer contact."""
    row = member(call, userid)
    if not row["follows"]:
        raise Refused(84074, userid)
    if row["status"] == 4:
        raise Refused(41054, userid)
    return row


def relation(call: Call, userid: str, external_userid: str) -> sqlite3.Row:
    """The pair, else 84061. A customer's deletion leaves it usable, a member's does not."""
    follower(call, userid)
    contact(call, external_userid)
    row = call.db.execute(
        "select * from relations where userid = ? and external_userid = ?"
        " and not half and lost_by <> 'agent'",
        (userid, external_userid),
    ).fetchone()
    if row is None:
        raise Refused(84061, f"{userid} {external_userid}")
    return row


def contact(call: Call, external_userid: str) -> sqlite3.Row:
    row = call.db.execute(
        "select * from contacts where external_userid = ?", (external_userid,)
    ).fetchone()
    if row is None:
        raise Refused(40096, external_userid)
    return row
