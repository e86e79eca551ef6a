"""Messages that go out at once: application messages to members, welcomes to new customers."""

import json

from . import mass, moments, shelf
from .api import Call, endpoint
from .clock import HOUR
from .routes_directory import expand_departments
from .routes_media import usable
from .wire import Refused, number, table, tables, text

MESSAGE_TYPES = [
    *("text", "image", "voice", "video", "file", "textcard", "news", "mpnews", "markdown"),
    *("miniprogram_notice", "template_card"),
]
WELCOME_SECONDS = 20
RECALL_SECONDS = 24 * HOUR
WELCOME_MEDIA = ("image", "video", "file")
PER_MINUTE, PER_HOUR = 30, 1000


@endpoint("POST", "message/send")
def message_send(call: Call) -> dict:
    body = call.body
    kind = text(body, "msgtype", missing=40008)
    if kind not in MESSAGE_TYPES:
        raise Refused(40008)
    if number(body, "agentid", default=-1, least=-1) != call.sandbox.config.agent_id:
        raise Refused(41011 if "agentid" not in body else 40056)
    _check_content(call, kind, table(body, kind))
    users, invalid = _recipients(call)
    if not users:
        raise Refused(81013)
    message_id = call.sandbox.new_id("msg")
    record = json.dumps(body.get(kind), ensure_ascii=False, sort_keys=True)
    outcomes = [_deliver(call, message_id, userid, kind, record) for userid in users]
    if "delivered" in outcomes:
        call.effect(message_id)
    code = {"response_code": _response_code(call, message_id)} if kind == "template_card" else {}
    return {
        **code,
        "invaliduser": "|".join(invalid),
        "invalidparty": "",
        "invalidtag": "",
        "unlicenseduser": "",
        "msgid": message_id,
    }


def _response_code(call: Call, message_id: str) -> str:
    """With it a card's buttons can be changed once."""
    code = call.sandbox.new_id("rsp")
    shelf.keep(call.db, "card", code, int(call.now), {"msgid": message_id}, app=call.app)
    return code


def _check_content(call: Call, kind: str, content: dict) -> None:
    if not content:
        raise Refused(44004)
    if kind in ("text", "markdown"):
        text(content, "content", missing=44004)  # Longer than 2048 B is cut, not refused.
    elif kind == "textcard":
        text(content, "title", octets=128, too_long=45002)
        text(content, "description", octets=512, too_long=45002)
        text(content, "url", octets=2048, too_long=45002)
        text(content, "btntxt", missing=None, chars=4, too_long=45002)
    elif kind in ("image", "voice", "video", "file"):
        usable(call, text(content, "media_id", missing=41006), scene="common")


def _recipients(call: Call) -> tuple[list[str], list[str]]:
    named = [userid for userid in text(call.body, "touser", missing=None).split("|") if userid]
    parties = [p for p in text(call.body, "toparty", missing=None).split("|") if p]
    if len(named) > 1000:
        raise Refused(40032)
    everyone = {
        row["userid"]
        for row in call.db.execute("select userid from members where visible and status = 1")
    }
    if named == ["@all"]:
        return sorted(everyone), []
    if not named and not parties and not call.body.get("totag"):
        raise Refused(40035, "touser, toparty and totag are empty")
    inside = expand_departments(call.db, [int(p) for p in parties if p.isdecimal() and len(p) < 10])
    users = {userid for userid in named if userid in everyone} | set(inside)
    return sorted(users), [userid for userid in named if userid not in everyone]


def _deliver(call: Call, message_id: str, userid: str, kind: str, record: str) -> str:
    """Doubles and floods vanish silently, as on the real platform."""
    outcome = "delivered"
    if number(call.body, "enable_duplicate_check", default=0, most=1):
        since = number(call.body, "duplicate_check_interval", default=1800, most=4 * HOUR)
        twin = call.db.execute(
            "select 1 from app_messages where userid = ? and at > ? and body = ?"
            " and outcome = 'delivered'",
            (userid, call.now - since, record),
        ).fetchone()
        outcome = "duplicate" if twin else outcome
    recent = call.db.execute(
        "select count(*) filter (where at > ?), count(*) from app_messages"
        " where userid = ? and at > ? and outcome = 'delivered'",
        (call.now - 60, userid, call.now - HOUR),
    ).fetchone()
    if recent[0] >= PER_MINUTE or recent[1] >= PER_HOUR:
        outcome = "dropped"
    call.db.execute(
        "insert into app_messages (msgid, at, agentid, userid, msgtype, body, outcome)"
        " values (?, ?, ?, ?, ?, ?, ?)",
        (message_id, call.now, call.sandbox.config.agent_id, userid, kind, record, outcome),
    )
    if outcome == "delivered":
        moments.remind(call.sandbox, call.db, userid)
        mass.remind(call.sandbox, call.db, userid)
    return outcome


@endpoint("POST", "message/recall")
def message_recall(call: Call) -> dict:
    """Within a day; what was never delivered stays as it is."""
    msgid = text(call.body, "msgid", missing=41046)
    recalled = call.db.execute(
        "update app_messages set outcome = 'recalled' where msgid = ? and at > ?"
        " and outcome = 'delivered'",
        (msgid, call.now - RECALL_SECONDS),
    )
    if not recalled.rowcount:
        raise Refused(41047, msgid)
    call.effect(msgid)
    return {}


@endpoint("POST", "externalcontact/send_welcome_msg")
def send_welcome_msg(call: Call) -> dict:
    """The code works once and for 20 seconds."""
    code = text(call.body, "welcome_code", missing=41049)
    content = text(table(call.body, "text"), "content", missing=None, octets=4000, too_long=45002)
    attachments = tables(call.body, "attachments")
    if not content and not attachments:
        raise Refused(44004)
    check_attachments(call, attachments)
    row = call.db.execute("select * from welcome_codes where code = ?", (code,)).fetchone()
    if row is None or call.now - row["issued_at"] > WELCOME_SECONDS:
        raise Refused(41050)
    if row["used_at"] is not None:
        raise Refused(41050 if row["used_by"] == call.app else 41051)
    call.db.execute(
        "update welcome_codes set used_at = ?, used_by = ?, body = ? where code = ?",
        (call.now, call.app, json.dumps(call.body, ensure_ascii=False), code),
    )
    call.effect(code)
    return {}


def check_attachments(call: Call, attachments: list[dict]) -> None:
    """Those of welcomes and mass messages, which are built alike."""
    if len(attachments) > 9:
        raise Refused(41064)
    for attachment in attachments:
        kind = text(attachment, "msgtype", missing=41065)
        if kind == "link":
            link = table(attachment, "link")
            text(link, "title", octets=128)
            text(link, "url", octets=2048)
        elif kind == "miniprogram":
            usable(call, text(table(attachment, kind), "pic_media_id", missing=41006), scene="")
        elif kind in WELCOME_MEDIA:
            if kind == "image" and table(attachment, kind).get("pic_url"):
                continue
            usable(call, text(table(attachment, kind), "media_id", missing=41006), scene="common")
        else:
            raise Refused(41065)
