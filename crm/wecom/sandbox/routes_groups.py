"""Customer groups (reference, section 8)."""

import json

from .api import Call, endpoint
from .people import member
from .wire import Refused, number, strings, table, text

WIDEST_SCOPE = 1000


@endpoint("POST", "externalcontact/groupchat/list")
def groupchat_list(call: Call) -> dict:
    status = number(call.body, "status_filter", default=0, most=3)
    owners = strings(table(call.body, "owner_filter"), "userid_list", most=100)
    size = number(call.body, "limit", least=1, most=1000)
    for owner in owners:
        member(call, owner, left=True)
    in_scope = call.db.execute("select count(*) from members where visible").fetchone()[0]
    if not owners and in_scope > WIDEST_SCOPE:
        raise Refused(81017)
    position, following = call.paged([status, sorted(owners)])
    found = call.db.execute(
        "select chat_id, status, create_time from chats where dismissed_at is null"
        " and (? = 0 or status = ?)"
        " and iif(?, owner not in (select userid from leavers),"
        "  owner in (select value from json_each(?)))"
        " and (create_time, chat_id) > (?, ?) order by create_time, chat_id limit ?",
        (
            *(status, status),
            *(not owners, json.dumps(owners)),
            *(position or (0, "")),
            size + 1,
        ),
    ).fetchall()
    page = found[:size]
    last = [page[-1]["create_time"], page[-1]["chat_id"]] if len(found) > size else None
    return {
        "group_chat_list": [{"chat_id": row["chat_id"], "status": row["status"]} for row in page],
        "next_cursor": following(last),
    }


@endpoint("POST", "externalcontact/groupchat/get")
def groupchat_get(call: Call) -> dict:
    chat_id = text(call.body, "chat_id", missing=40050)
    with_names = number(call.body, "need_name", default=0, most=1)
    chat = call.db.execute("select * from chats where chat_id = ?", (chat_id,)).fetchone()
    if chat is None:
        raise Refused(40050, chat_id)
    if chat["dismissed_at"] is not None:
        raise Refused(49008, chat_id)
    found = call.db.execute(
        "select c.*, coalesce(e.unionid, '') as unionid, coalesce(e.name, m.name, '') as name"
        " from chat_members c left join contacts e on e.external_userid = c.member"
        " left join members m on m.userid = c.member"
        " where chat_id = ? order by c.join_time, c.member",
        (chat_id,),
    )
    people = []
    for row in found:
        person = {
            "userid": row["member"],
            "type": row["type"],
            "join_time": row["join_time"],
            "join_scene": row["join_scene"],
            "group_nickname": row["nickname"],
        }
        if row["type"] == 2 and row["unionid"]:
            person["unionid"] = row["unionid"]
        if row["state"]:
            person["state"] = row["state"]
        if row["invitor"]:
            person["invitor"] = {"userid": row["invitor"]}
        if with_names:
            person["name"] = row["name"]
        people.append(person)
    admins = [{"userid": userid} for userid in json.loads(chat["admins"])]
    return {
        "group_chat": {
            "chat_id": chat_id,
            "name": chat["name"],
            "owner": chat["owner"],
            "create_time": chat["create_time"],
            "notice": chat["notice"],
            "member_list": people,
            "admin_list": admins,
            "member_version": chat["version"],
        }
    }


@endpoint("POST", "externalcontact/opengid_to_chatid")
def opengid_to_chatid(call: Call) -> dict:
    """Here a group's opengid is its chat_id with `og` in place of `wr`."""
    opengid = text(call.body, "opengid")
    row = call.db.execute(
        "select chat_id from chats where chat_id = ? and dismissed_at is null",
        ("wr" + opengid.removeprefix("og"),),
    ).fetchone()
    if row is None or not opengid.startswith("og"):
        raise Refused(90511, opengid)
    return {"chat_id": row["chat_id"]}
