"""The HTTP side of the chat archive, for the token of its own secret (reference, 14.8)."""

import sqlite3

from . import archive, shelf
from .acts_archive import ROOM
from .api import Call, endpoint
from .routes_join_ways import living_chat
from .wire import Refused, number, tables, text

MOST_PAIRS = 100
OFFICE, SERVICE, ENTERPRISE = 1, 2, 3
ROBOT = "wbsandbox"


@endpoint("POST", "msgaudit/get_permit_user_list")
def get_permit_user_list(call: Call) -> dict:
    """Everybody has a seat of the service version here."""
    kind = number(call.body, "type", default=SERVICE, least=OFFICE, most=ENTERPRISE)
    found = call.db.execute(
        "select userid from members where visible and follows and status = 1 and ? order by userid",
        (kind == SERVICE,),
    )
    return {"ids": [row["userid"] for row in found]}


@endpoint("POST", "msgaudit/check_single_agree")
def check_single_agree(call: Call) -> dict:
    """`exteranalopenid` is the spelling on the wire."""
    pairs = tables(call.body, "info")
    if not pairs:
        raise Refused(40063, "info")
    if len(pairs) > MOST_PAIRS:
        raise Refused(301060)
    listed = []
    for pair in pairs:
        userid = text(pair, "userid", missing=41009)
        key = text(pair, "exteranalopenid", missing=41035)
        decided = archive.consent(call.db, userid, key)
        listed.append({**_status(decided), "userid": userid, "exteranalopenid": key})
    return {"agreeinfo": listed}


@endpoint("POST", "msgaudit/check_room_agree")
def check_room_agree(call: Call) -> dict:
    room = text(call.body, "roomid", missing=40050)
    living_chat(call, room)
    people = call.db.execute(
        "select member from chat_members where chat_id = ? and type = 2 order by member", (room,)
    ).fetchall()
    return {
        "agreeinfo": [
            {
                **_status(archive.consent(call.db, "", row["member"], room)),
                "exteranalopenid": row["member"],
            }
            for row in people
        ]
    }


@endpoint("POST", "msgaudit/groupchat/get")
def room_get(call: Call) -> dict:
    """Groups of colleagues only."""
    room = text(call.body, "roomid", missing=40050)
    thing = shelf.find(call.db, ROOM, room)
    if thing is None:
        raise Refused(301059, room)
    members = [
        {"memberid": userid, "jointime": thing.create_time} for userid in thing.body["members"]
    ]
    return {
        "roomname": thing.body["roomname"],
        "creator": thing.body["creator"],
        "room_create_time": thing.create_time,
        "notice": thing.body["notice"],
        "members": members,
    }


@endpoint("GET", "msgaudit/get_robot_info")
def get_robot_info(call: Call) -> dict:
    """There is one robot."""
    robot = text(call.query, "robot_id", missing=40063)
    if robot != ROBOT:
        raise Refused(40058, robot)
    creator = call.db.execute(
        "select userid from members where visible and is_leader order by userid limit 1"
    ).fetchone()
    owner = creator["userid"] if creator else ""
    return {"data": {"robot_id": robot, "name": "行程机器人", "creator_userid": owner}}


def _status(decided: sqlite3.Row | None) -> dict:
    """Who was never asked has not agreed."""
    if decided is None:
        return {"status_change_time": 0, "agree_status": archive.DISAGREE}
    return {"status_change_time": decided["at"], "agree_status": decided["status"]}
