"""Mass messages (reference, section 6): tasks that members confirm, and their records."""

import json
import sqlite3

from . import mass
from .api import Call, endpoint
from .clock import DAY
from .people import follower
from .routes_messages import check_attachments
from .wire import Refused, flag, limit, number, strings, table, tables, text

MOST_CUSTOMERS, MOST_GROUPS, MOST_TAGS = 10_000, 2000, 100
MOST_REMINDERS = 3
LISTED_DAYS = 31


@endpoint("POST", "externalcontact/add_msg_template")
def add_msg_template(call: Call) -> dict:
    body = call.body
    chat_type = text(body, "chat_type", missing=None) or "single"
    if chat_type not in ("single", "group"):
        raise Refused(40058, "chat_type")
    content = text(table(body, "text"), "content", missing=None, octets=4000, too_long=45002)
    attachments = tables(body, "attachments")
    if not content and not attachments:
        raise Refused(44004)
    check_attachments(call, attachments)
    select = flag(body, "allow_select", default=False) and chat_type == "single"
    pairs, failed = _groups(call) if chat_type == "group" else _customers(call)
    if not pairs:
        raise Refused(41048)
    msgid, ready_at = _create(call, chat_type, content, attachments)
    mass.assign(call.db, msgid, pairs)
    mass.plan(call.sandbox, call.db, msgid, ready_at, select)
    return {"fail_list": failed, "msgid": msgid}


def _create(call: Call, chat_type: str, content: str, attachments: list[dict]) -> tuple[str, float]:
    msgid = call.sandbox.new_id("msg")
    ready_at = call.now + mass.DISPATCH_SECONDS / call.sandbox.config.speed
    mass.write_message(
        call.db,
        msgid=msgid,
        app=call.app,
        create_type=mass.CORP,
        create_time=int(call.now),
        ready_at=ready_at,
        chat_type=chat_type,
        text=content,
        attachments=attachments,
    )
    call.effect(msgid)
    return msgid, ready_at


@endpoint("POST", "externalcontact/get_groupmsg_list_v2")
def get_groupmsg_list(call: Call) -> dict:
    chat_type = text(call.body, "chat_type", missing=40058)
    start, end = number(call.body, "start_time"), number(call.body, "end_time")
    if end < start or end - start > LISTED_DAYS * DAY:
        raise Refused(40058, "start_time and end_time span at most a month")
    creator = text(call.body, "creator", missing=None)
    kind = number(call.body, "filter_type", default=2, most=2)
    size = limit(call.body, default=50, most=100)
    position, following = call.paged([chat_type, start, end, creator, kind])
    found = call.db.execute(
        "select * from mass_messages where chat_type = ? and create_time between ? and ?"
        " and (? = '' or creator = ?) and (? = 2 or create_type = ?)"
        " and (create_time, msgid) > (?, ?) order by create_time, msgid limit ?",
        (
            *(chat_type, start, end, creator, creator, kind, kind),
            *(position or (0, "")),
            size + 1,
        ),
    ).fetchall()
    page = found[:size]
    last = [page[-1]["create_time"], page[-1]["msgid"]] if len(found) > size else None
    return {"group_msg_list": [_json(row) for row in page], "next_cursor": following(last)}


@endpoint("POST", "externalcontact/get_groupmsg_task")
def get_groupmsg_task(call: Call) -> dict:
    """Status 0 or 2: there is no 1."""
    message = _message(call)
    size = limit(call.body, default=500, most=1000)
    position, following = call.paged(message["msgid"])
    found = call.db.execute(
        "select * from mass_tasks where msgid = ? and userid > ? order by userid limit ?",
        (message["msgid"], position[0] if position else "", size + 1),
    ).fetchall()
    page = found[:size]
    tasks = []
    for row in page:
        task = {"userid": row["userid"], "status": 0 if row["sent_at"] is None else 2}
        if row["sent_at"] is not None:
            task["send_time"] = int(row["sent_at"])
        tasks.append(task)
    last = [page[-1]["userid"]] if len(found) > size else None
    return {"task_list": tasks, "next_cursor": following(last)}


@endpoint("POST", "externalcontact/get_groupmsg_send_result")
def get_groupmsg_send_result(call: Call) -> dict:
    """Groups appear once something was sent to them."""
    message = _message(call)
    userid = text(call.body, "userid", missing=41009)
    size = limit(call.body, default=500, most=1000)
    position, following = call.paged([message["msgid"], userid])
    to_groups = message["chat_type"] == "group"
    found = call.db.execute(
        "select * from mass_targets where msgid = ? and userid = ? and target > ?"
        " and (not ? or status > 0) order by target limit ?",
        (message["msgid"], userid, position[0] if position else "", to_groups, size + 1),
    ).fetchall()
    page = found[:size]
    name = "chat_id" if to_groups else "external_userid"
    rows = []
    for row in page:
        sent = {name: row["target"], "userid": row["userid"], "status": row["status"]}
        if row["status"] == mass.SENT:
            sent["send_time"] = int(row["sent_at"])
        rows.append(sent)
    last = [page[-1]["target"]] if len(found) > size else None
    return {"send_list": rows, "next_cursor": following(last)}


@endpoint("POST", "externalcontact/remind_groupmsg_send")
def remind_groupmsg_send(call: Call) -> dict:
    message = _message(call, corp_only=True)
    recent = call.db.execute(
        "select count(*) from mass_reminders where msgid = ? and at > ?",
        (message["msgid"], call.now - DAY),
    ).fetchone()[0]
    if recent >= MOST_REMINDERS:
        raise Refused(41094)
    call.db.execute("insert into mass_reminders values (?, ?)", (message["msgid"], call.now))
    for task in call.db.execute(
        "select userid from mass_tasks where msgid = ? and sent_at is null", (message["msgid"],)
    ).fetchall():
        mass.remind(call.sandbox, call.db, task["userid"], message["msgid"])
    call.effect(message["msgid"])
    return {}


@endpoint("POST", "externalcontact/cancel_groupmsg_send")
def cancel_groupmsg_send(call: Call) -> dict:
    """Stops those who have not sent; recalls nothing."""
    message = _message(call, corp_only=True)
    call.db.execute(
        "update mass_messages set cancelled_at = ? where msgid = ?", (call.now, message["msgid"])
    )
    call.effect(message["msgid"])
    return {}


def _message(call: Call, *, corp_only: bool = False) -> sqlite3.Row:
    mass.settle(call.sandbox, call.db)
    msgid = text(call.body, "msgid", missing=41046)
    message = call.db.execute("select * from mass_messages where msgid = ?", (msgid,)).fetchone()
    if message is None or (corp_only and message["create_type"] == mass.PERSONAL):
        raise Refused(41047)
    if call.now < message["ready_at"]:
        raise Refused(41063)
    if corp_only and message["cancelled_at"] is not None:
        raise Refused(41093)
    return message


def _customers(call: Call) -> tuple[list[tuple[str, str]], list[str]]:
    """(member, customer) pairs, and the ids that nobody can reach.

    Of several members the one who dealt with the customer last gets the task. Somebody who has
    deleted the member is still a target: the deletion shows as status 2 when it is sent.
    """
    named = strings(call.body, "external_userid", most=MOST_CUSTOMERS)
    sender = text(call.body, "sender", missing=None)
    groups = [] if named else _tag_groups(call)
    if not named and not sender and not groups:
        raise Refused(40063, "external_userid, sender, tag_filter")
    if sender:
        follower(call, sender)
    # Three branches, of which one is read, as each has an index of its own.
    found = call.db.execute(
        "select userid, external_userid from (select r.userid, r.external_userid, row_number() over"
        "  (partition by r.external_userid order by r.lost_by <> '',"
        "   max(r.chatted_day, r.createtime) desc, r.userid) as place"
        "  from (select * from relations where :named <> '[]'"
        "    and external_userid in (select value from json_each(:named))"
        "   union all select * from relations where :named = '[]' and userid = :sender"
        "   union all select * from relations where :named = '[]' and :sender = '') r"
        "  join members m using (userid)"
        "  where m.visible and m.follows and m.status = 1 and not r.half and r.lost_by <> 'agent'"
        "  and (:sender = '' or r.userid = :sender)"
        "  and not exists (select 1 from json_each(:groups) g where not exists"
        "   (select 1 from relation_tags t where t.userid = r.userid"
        "    and t.external_userid = r.external_userid"
        "    and t.tag_id in (select value from json_each(g.value)))))"
        " where place = 1 order by userid, external_userid",
        {"sender": sender, "named": json.dumps(named), "groups": json.dumps(groups)},
    ).fetchall()
    reached = {row["external_userid"] for row in found}
    failed = [key for key in dict.fromkeys(named) if key not in reached]
    return [(row["userid"], row["external_userid"]) for row in found], failed


def _tag_groups(call: Call) -> list[list[str]]:
    """Any of the tags inside one group, and one of every group."""
    groups = [
        strings(group, "tag_list", most=MOST_TAGS, too_many=82003)
        for group in tables(table(call.body, "tag_filter"), "group_list")
    ]
    groups = [group for group in groups if group]
    wanted = {tag for group in groups for tag in group}
    known = call.db.execute(
        "select count(*) from tags where not deleted"
        " and tag_id in (select value from json_each(?))",
        (json.dumps(sorted(wanted)),),
    ).fetchone()[0]
    if known != len(wanted):
        raise Refused(40068)
    return groups


def _groups(call: Call) -> tuple[list[tuple[str, str]], list[str]]:
    """The sender's own groups, all or the named ones."""
    sender = follower(call, text(call.body, "sender", missing=41009))["userid"]
    named = strings(call.body, "chat_id_list", most=MOST_GROUPS)
    found = call.db.execute(
        "select chat_id from chats where owner = ? and dismissed_at is null"
        " and (? = '[]' or chat_id in (select value from json_each(?))) order by chat_id",
        (sender, json.dumps(named), json.dumps(named)),
    )
    reached = [row["chat_id"] for row in found]
    return [(sender, key) for key in reached], [key for key in named if key not in set(reached)]


def _json(row: sqlite3.Row) -> dict:
    shown = {
        "msgid": row["msgid"],
        "create_time": row["create_time"],
        "create_type": row["create_type"],
        "attachments": json.loads(row["attachments"]),
    }
    if row["text"]:
        shown["text"] = {"content": row["text"]}
    if row["creator"]:  # Made over the API, it has none.
        shown["creator"] = row["creator"]
    return shown
