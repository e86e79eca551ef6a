"""External contacts and their relations (reference, section 2)."""

import json
import sqlite3

from .api import Call, endpoint
from .people import contact, follower, relation
from .routes_tags import STRATEGY
from .wire import Refused, limit, strings, text

PAGE_OF_FOLLOWERS = 500
CORP_TAG, STRATEGY_TAG = 1, 3


@endpoint("GET", "externalcontact/get_follow_user_list")
def get_follow_user_list(call: Call) -> dict:
    found = call.db.execute(
        "select userid from members where follows and visible and status = 1 order by userid"
    )
    return {"follow_user": [row["userid"] for row in found]}


@endpoint("GET", "externalcontact/list")
def contact_list(call: Call) -> dict:
    member = follower(call, text(call.query, "userid", missing=41009))
    found = call.db.execute(
        "select external_userid from listed where userid = ? order by createtime, external_userid",
        (member["userid"],),
    ).fetchall()
    if not found:  # An empty list is an error on the real platform, too.
        raise Refused(84061)
    return {"external_userid": [row["external_userid"] for row in found]}


@endpoint("GET", "externalcontact/get")
def contact_get(call: Call) -> dict:
    person = contact(call, text(call.query, "external_userid", missing=41035))
    key = person["external_userid"]
    position, following = call.paged(key)
    found = call.db.execute(
        "select l.* from listed l join members m using (userid) where l.external_userid = ?"
        " and m.visible and l.userid > ? order by l.userid limit ?",
        (key, position[0] if position else "", PAGE_OF_FOLLOWERS + 1),
    ).fetchall()
    if not found:
        raise Refused(84061, key)
    page = found[:PAGE_OF_FOLLOWERS]
    last = [page[-1]["userid"]] if len(found) > PAGE_OF_FOLLOWERS else None
    return {
        "external_contact": contact_json(person),
        "follow_user": [
            follow_json(row) | {"tags": _tags(call.db, row["userid"], key)} for row in page
        ],
        "next_cursor": following(last),
    }


@endpoint("POST", "externalcontact/batch/get_by_user")
def batch_get_by_user(call: Call) -> dict:
    """One row per (member, customer) pair, in the order of userid and external_userid."""
    userids = strings(call.body, "userid_list", most=100, required=True)
    for userid in userids:
        follower(call, userid)
    size = limit(call.body, default=50, most=100)
    position, following = call.paged(sorted(userids))
    found = call.db.execute(
        "select * from listed where userid in (select value from json_each(?))"
        " and (userid, external_userid) > (?, ?) order by userid, external_userid limit ?",
        (json.dumps(userids), *(position or ("", "")), size + 1),
    ).fetchall()
    page = found[:size]
    last = [page[-1]["userid"], page[-1]["external_userid"]] if len(found) > size else None
    people = _contacts(call.db, [row["external_userid"] for row in page])
    tags = _tag_ids(call.db, page)
    listed = [
        {
            "external_contact": contact_json(people[row["external_userid"]]),
            "follow_info": follow_json(row)
            | {"tag_id": tags.get((row["userid"], row["external_userid"]), [])},
        }
        for row in page
    ]
    return {
        "external_contact_list": listed,
        "next_cursor": following(last),
        "fail_info": {"unlicensed_userid_list": []},
    }


@endpoint("POST", "externalcontact/remark")
def remark(call: Call) -> dict:
    body = call.body
    pair = relation(
        call,
        text(body, "userid", missing=41009),
        text(body, "external_userid", missing=41035),
    )
    fields = {
        "remark": (text(body, "remark", missing=None, chars=20), "remark"),
        "description": (text(body, "description", missing=None, chars=150), "description"),
        "remark_company": (text(body, "remark_company", missing=None, chars=20), "company"),
    }
    mobiles = strings(body, "remark_mobiles", most=100) if "remark_mobiles" in body else None
    if not any(name in body for name in (*fields, "remark_mobiles", "remark_pic_mediaid")):
        raise Refused(40035, "nothing to change")
    kept = json.loads(pair["remark_mobiles"]) if mobiles is None else [m for m in mobiles if m]
    call.db.execute(
        "update relations set remark = ?, description = ?, remark_corp_name = ?,"
        " remark_mobiles = ? where userid = ? and external_userid = ?",
        (
            fields["remark"][0] if "remark" in body else pair["remark"],
            fields["description"][0] if "description" in body else pair["description"],
            fields["remark_company"][0] if "remark_company" in body else pair["remark_corp_name"],
            json.dumps(kept),
            pair["userid"],
            pair["external_userid"],
        ),
    )
    call.effect(f"remark/{pair['userid']}/{pair['external_userid']}")
    return {}


def contact_json(row: sqlite3.Row) -> dict:
    person = {
        "external_userid": row["external_userid"],
        "name": row["name"],
        "avatar": f"https://wx.qlogo.example/{row['external_userid']}/0",
        "type": row["type"],
        "gender": row["gender"],
    }
    if row["unionid"]:
        person["unionid"] = row["unionid"]
    if row["type"] == 2:
        person |= {
            "position": row["position"],
            "corp_name": row["corp_name"],
            "corp_full_name": row["corp_name"],
        }
    return person


def follow_json(row: sqlite3.Row) -> dict:
    follow = {
        "userid": row["userid"],
        "remark": row["remark"],
        "description": row["description"],
        "createtime": row["createtime"],
        "remark_mobiles": json.loads(row["remark_mobiles"]),
        "oper_userid": row["oper_userid"],
        "add_way": row["add_way"],
    }
    if row["remark_corp_name"]:
        follow["remark_corp_name"] = row["remark_corp_name"]
    if row["state"]:
        follow["state"] = row["state"]
    if row["add_way"] == 10:
        follow["wechat_channels"] = {"nickname": "", "source": 2}
    return follow


def _tags(db: sqlite3.Connection, userid: str, external_userid: str) -> list[dict]:
    found = db.execute(
        "select g.name as group_name, t.name as tag_name, t.tag_id from relation_tags r"
        " join tags t using (tag_id) join tag_groups g using (group_id)"
        " where r.userid = ? and r.external_userid = ? and not t.deleted"
        " order by g.ord desc, t.ord desc",
        (userid, external_userid),
    )
    return [
        dict(row) | {"type": STRATEGY_TAG if row["tag_id"].startswith(STRATEGY) else CORP_TAG}
        for row in found
    ]


def _contacts(db: sqlite3.Connection, ids: list[str]) -> dict[str, sqlite3.Row]:
    found = db.execute(
        "select * from contacts where external_userid in (select value from json_each(?))",
        (json.dumps(ids),),
    )
    return {row["external_userid"]: row for row in found}


def _tag_ids(db: sqlite3.Connection, pairs: list[sqlite3.Row]) -> dict[tuple[str, str], list[str]]:
    wanted = json.dumps([[row["userid"], row["external_userid"]] for row in pairs])
    found = db.execute(
        "select r.userid, r.external_userid, r.tag_id from json_each(?) pair"
        " join relation_tags r on r.userid = json_extract(pair.value, '$[0]')"
        " and r.external_userid = json_extract(pair.value, '$[1]')"
        " join tags t using (tag_id) where not t.deleted order by r.tag_id",
        (wanted,),
    )
    tags: dict[tuple[str, str], list[str]] = {}
    for row in found:
        tags.setdefault((row["userid"], row["external_userid"]), []).append(row["tag_id"])
    return tags
