"""Moments (reference, section 7)."""

import json
import sqlite3

from . import moments
from .api import Call, endpoint
from .clock import DAY
from .routes_directory import expand_departments, known_departments
from .routes_media import usable
from .wire import Refused, integers, limit, number, refusal, strings, table, tables, text

TEXT_CHARS = 2000
JOB_LIFETIME = DAY
LISTED_DAYS = 30
RUNNING_JOBS = 200
KINDS = ("image", "video", "link")


@endpoint("POST", "externalcontact/add_moment_task")
def add_moment_task(call: Call) -> dict:
    """Accepts the form, answers a job; most content errors come with the job's result."""
    content, attachments = _content(call)
    senders, invalid_senders = _senders(call)
    tags, invalid_tags = _tags(call)
    running = call.db.execute(
        "select count(*) from moment_jobs where due_at > ?", (call.now,)
    ).fetchone()[0]
    if running >= RUNNING_JOBS:
        raise Refused(41078)
    started, speed = call.now, call.sandbox.config.speed
    job_id = call.sandbox.new_id("job")
    failure = _content_failure(content, attachments)
    if not failure and senders == []:
        failure = 40031
    if not failure and tags == [] and invalid_tags:
        failure = 40068
    moment_id = "" if failure else call.sandbox.new_id("mom")
    result = refusal(failure) if failure else {"errcode": 0, "errmsg": "ok", "moment_id": moment_id}
    result |= {
        "invalid_sender_list": invalid_senders,
        "invalid_external_contact_list": {"tag_list": invalid_tags},
    }
    call.db.execute(
        "insert into moment_jobs values (?, ?, ?, ?, ?)",
        (
            *(job_id, started, started + moments.JOB_SECONDS / speed, moment_id),
            json.dumps(result, ensure_ascii=False),
        ),
    )
    if moment_id:
        ready_at = started + moments.DISPATCH_SECONDS / speed
        call.db.execute(
            "insert into moments (moment_id, jobid, create_type, create_time, ready_at, text,"
            " attachments, tags, visible_type) values (?, ?, 0, ?, ?, ?, ?, ?, ?)",
            (
                *(moment_id, job_id, int(started), ready_at, content),
                json.dumps(attachments, ensure_ascii=False),
                *(json.dumps(tags), 0 if tags else 1),
            ),
        )
        chosen = moments.chosen_members(call.db, senders, tags)
        moments.plan_tasks(call.sandbox, call.db, moment_id, chosen, ready_at)
    call.effect(job_id)
    return {"jobid": job_id}


@endpoint("GET", "externalcontact/get_moment_task_result")
def get_moment_task_result(call: Call) -> dict:
    job_id = text(call.query, "jobid", missing=40058)
    job = call.db.execute("select * from moment_jobs where jobid = ?", (job_id,)).fetchone()
    if job is None or call.now - job["started_at"] > JOB_LIFETIME:
        raise Refused(40058, "invalid jobid")
    status = moments.job_state(job, call.now)
    answer = {"status": status, "type": "add_moment_task"}
    if status == moments.JOB_DONE:
        answer["result"] = json.loads(job["result"])
    return answer


@endpoint("POST", "externalcontact/get_moment_list")
def get_moment_list(call: Call) -> dict:
    start, end = number(call.body, "start_time"), number(call.body, "end_time")
    if end < start or end - start > LISTED_DAYS * DAY:
        raise Refused(40058, "start_time and end_time span at most 30 days")
    creator = text(call.body, "creator", missing=None)
    kind = number(call.body, "filter_type", default=2, most=2)
    size = limit(call.body, default=20, most=20)
    position, following = call.paged([start, end, creator, kind])
    found = call.db.execute(
        "select * from moments where create_time between ? and ? and ready_at <= ?"
        " and (? = '' or creator = ?) and (? = 2 or create_type = ?)"
        " and (create_time, moment_id) > (?, ?) order by create_time, moment_id limit ?",
        (
            *(start, end, call.now, creator, creator, kind, kind),
            *(position or (0, "")),
            size + 1,
        ),
    ).fetchall()
    page = found[:size]
    last = [page[-1]["create_time"], page[-1]["moment_id"]] if len(found) > size else None
    return {"moment_list": [_moment_json(row) for row in page], "next_cursor": following(last)}


@endpoint("POST", "externalcontact/get_moment_task")
def get_moment_task(call: Call) -> dict:
    moment = _moment(call, corp_only=True)
    size = limit(call.body, default=500, most=1000)
    position, following = call.paged(moment["moment_id"])
    found = call.db.execute(
        "select userid, published_at from moment_tasks where moment_id = ? and userid > ?"
        " order by userid limit ?",
        (moment["moment_id"], position[0] if position else "", size + 1),
    ).fetchall()
    page = found[:size]
    tasks = [
        {"userid": row["userid"], "publish_status": int(row["published_at"] is not None)}
        for row in page
    ]
    last = [page[-1]["userid"]] if len(found) > size else None
    return {"task_list": tasks, "next_cursor": following(last)}


@endpoint("POST", "externalcontact/get_moment_customer_list")
def get_moment_customer_list(call: Call) -> dict:
    """The audience as chosen when the member published."""
    people, cursor = _audience(call, default=500, most=1000, only_seen=False)
    userid = call.body["userid"]
    listed = [{"userid": userid, "external_userid": key} for key in people]
    return {"customer_list": listed, "next_cursor": cursor}


@endpoint("POST", "externalcontact/get_moment_send_result")
def get_moment_send_result(call: Call) -> dict:
    """Those who can really see it."""
    people, cursor = _audience(call, default=3000, most=5000, only_seen=True)
    return {"customer_list": [{"external_userid": key} for key in people], "next_cursor": cursor}


@endpoint("POST", "externalcontact/get_moment_comments")
def get_moment_comments(call: Call) -> dict:
    moment, userid = _published(call)
    found = call.db.execute(
        "select * from moment_reactions where moment_id = ? and userid = ? and at <= ? order by at",
        (moment["moment_id"], userid, call.now),
    ).fetchall()

    def listed(kind: str) -> list[dict]:
        return [
            {"external_userid": row["who"], "create_time": int(row["at"])}
            for row in found
            if row["kind"] == kind
        ]

    return {"comment_list": listed("comment"), "like_list": listed("like")}


@endpoint("POST", "externalcontact/cancel_moment_task")
def cancel_moment_task(call: Call) -> dict:
    moment = _moment(call, corp_only=True)
    if moment["cancelled_at"] is None:
        call.db.execute(
            "update moments set cancelled_at = ? where moment_id = ?",
            (call.now, moment["moment_id"]),
        )
        call.effect(moment["moment_id"])
    return {}


def _content(call: Call) -> tuple[str, list[dict]]:
    content = text(table(call.body, "text"), "content", missing=None)
    attachments = tables(call.body, "attachments")
    if not content and not attachments:
        raise Refused(41089)
    for attachment in attachments:
        kind = text(attachment, "msgtype", missing=41065)
        if kind in KINDS:
            media_id = text(table(attachment, kind), "media_id", missing=41006)
            usable(call, media_id, scene="moments")
    return content, attachments


def _content_failure(content: str, attachments: list[dict]) -> int:
    """The errcode of the job's result, or 0."""
    kinds = [attachment["msgtype"] for attachment in attachments]
    if len(content) > TEXT_CHARS:
        return 45002
    if not set(kinds) <= set(KINDS) or len(set(kinds)) > 1:
        return 41065
    if len(kinds) > (9 if kinds[:1] == ["image"] else 1):
        return 41064
    links = [attachment["link"] for attachment in attachments if attachment["msgtype"] == "link"]
    if any(not link.get("url") or len(str(link.get("title", "")).encode()) > 64 for link in links):
        return 40035
    return 0


def _senders(call: Call) -> tuple[list[str] | None, dict]:
    """Who is named, None for nobody in particular; and which names meant nobody."""
    given = table(table(call.body, "visible_range"), "sender_list")
    users = strings(given, "user_list", most=100_000)
    departments = integers(given, "department_list", most=100_000)
    known = {
        row["userid"]
        for row in call.db.execute(
            "select userid from members where visible and follows and status = 1"
        )
    }
    right_departments = known_departments(call.db, departments)
    invalid = {
        "user_list": [userid for userid in users if userid not in known],
        "department_list": [d for d in departments if d not in right_departments],
    }
    if not users and not departments:
        return None, invalid
    inside = expand_departments(call.db, sorted(right_departments))
    return sorted({userid for userid in users if userid in known} | set(inside) & known), invalid


def _tags(call: Call) -> tuple[list[str], list[str]]:
    """Corp tags only: those of strategies do not narrow a moment."""
    given = table(table(call.body, "visible_range"), "external_contact_list")
    tags = strings(given, "tag_list", most=10_000)
    found = call.db.execute(
        "select tag_id from tags where not deleted and tag_id glob 'et*'"
        " and tag_id in (select value from json_each(?))",
        (json.dumps(tags),),
    )
    known = {row["tag_id"] for row in found}
    return [tag for tag in tags if tag in known], [tag for tag in tags if tag not in known]


def _moment(call: Call, *, corp_only: bool = False) -> sqlite3.Row:
    moments.settle(call.sandbox, call.db)
    moment_id = text(call.body, "moment_id", missing=41059)
    moment = call.db.execute("select * from moments where moment_id = ?", (moment_id,)).fetchone()
    if moment is None:
        raise Refused(41060)
    if corp_only and moment["create_type"] == 1:
        raise Refused(41067)
    if call.now < moment["ready_at"]:
        raise Refused(41079)
    return moment


def _published(call: Call) -> tuple[sqlite3.Row, str]:
    moment = _moment(call)
    userid = text(call.body, "userid", missing=41009)
    task = call.db.execute(
        "select * from moment_tasks where moment_id = ? and userid = ?",
        (moment["moment_id"], userid),
    ).fetchone()
    if task is None and moment["creator"] != userid:
        raise Refused(41061)
    if task is not None and task["published_at"] is None:
        raise Refused(41062)
    return moment, userid


def _audience(call: Call, *, default: int, most: int, only_seen: bool) -> tuple[list[str], str]:
    moment, userid = _published(call)
    size = limit(call.body, default=default, most=most)
    position, following = call.paged([moment["moment_id"], userid])
    found = call.db.execute(
        "select external_userid from moment_audience where moment_id = ? and userid = ?"
        " and external_userid > ? and (sees or not ?) order by external_userid limit ?",
        (moment["moment_id"], userid, position[0] if position else "", only_seen, size + 1),
    ).fetchall()
    people = [row["external_userid"] for row in found[:size]]
    return people, following([people[-1]] if len(found) > size else None)


def _moment_json(row: sqlite3.Row) -> dict:
    shown = {
        "moment_id": row["moment_id"],
        "create_time": row["create_time"],
        "create_type": row["create_type"],
        "visible_type": row["visible_type"],
        "text": {"content": row["text"]},
    }
    if row["creator"]:
        shown["creator"] = row["creator"]
    for attachment in json.loads(row["attachments"]):
        kind = attachment["msgtype"]
        if kind == "image":
            shown.setdefault("image", []).append({"media_id": attachment["image"]["media_id"]})
        elif kind == "video":
            media_id = attachment["video"]["media_id"]
            shown["video"] = {"media_id": media_id, "thumb_media_id": media_id}
        else:
            link = attachment["link"]
            shown["link"] = {"title": link.get("title", ""), "url": link.get("url", "")}
    return shown
