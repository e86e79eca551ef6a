"""Customer acquisition links (reference, 4.3)."""

from . import links, shelf
from .api import Call, endpoint
from .clock import DAY, day_start
from .routes_directory import receivers
from .wire import Refused, flag, integers, limit, number, strings, table, text

LINK = "link"
MOST_LINKS = 10_000
MOST_MEMBERS = 500
KEY_LIFETIME = 1800
ANYBODY, CHOSEN = 1, 2
PATH = "externalcontact/customer_acquisition"


@endpoint("POST", f"{PATH}/create_link")
def create_link(call: Call) -> dict:
    if shelf.count(call.db, LINK) >= MOST_LINKS:
        raise Refused(41095)
    body = {
        "link_name": text(call.body, "link_name", chars=30),
        "skip_verify": flag(call.body, "skip_verify", default=True),
        "mark_source": flag(call.body, "mark_source", default=True),
        "range": _range(call),
        "priority_option": _priority(call),
    }
    link_id = shelf.put(call, LINK, "ca", body)
    return {"link": {"link_id": link_id, **_shown(_take(call, link_id))}}


@endpoint("POST", f"{PATH}/get")
def get_link(call: Call) -> dict:
    link = _named(call)
    shown = _shown(link) | {name: link.body[name] for name in ("skip_verify", "mark_source")}
    answer = {"link": shown, "range": link.body["range"]}
    if link.body["priority_option"]:
        answer["priority_option"] = link.body["priority_option"]
    return answer


@endpoint("POST", f"{PATH}/list_link")
def list_link(call: Call) -> dict:
    found, cursor = shelf.page(call, LINK, size=limit(call.body, default=100, most=100))
    return {"link_id_list": [link.id for link in found], "next_cursor": cursor}


@endpoint("POST", f"{PATH}/update_link")
def update_link(call: Call) -> dict:
    link, changed = _own(call), {}
    if "link_name" in call.body:
        changed["link_name"] = text(call.body, "link_name", chars=30)
    for name in ("skip_verify", "mark_source"):
        changed[name] = flag(call.body, name, default=link.body[name])
    if "range" in call.body:
        changed["range"] = _range(call)
    if "priority_option" in call.body:
        changed["priority_option"] = _priority(call)
    shelf.change(call, link, link.body | changed)
    return {}


@endpoint("POST", f"{PATH}/delete_link")
def delete_link(call: Call) -> dict:
    """Silent: the event is for deletions in the console."""
    shelf.remove(call, _own(call))
    return {}


@endpoint("POST", f"{PATH}/customer")
def link_customers(call: Call) -> dict:
    link = _named(call)
    size = limit(call.body, default=100, most=1000)
    position, following = call.paged(link.id)
    found = call.db.execute(
        "select * from link_customers where link_id = ? and (userid, external_userid) > (?, ?)"
        " order by userid, external_userid limit ?",
        (link.id, *(position or ("", "")), size + 1),
    ).fetchall()
    page = found[:size]
    last = [page[-1]["userid"], page[-1]["external_userid"]] if len(found) > size else None
    listed = [
        {
            "external_userid": row["external_userid"],
            "userid": row["userid"],
            "chat_status": int(row["messages"] > 0),
            "state": row["state"],
        }
        for row in page
    ]
    return {"customer_list": listed, "next_cursor": following(last)}


@endpoint("GET", "externalcontact/customer_acquisition_quota")
def quota(call: Call) -> dict:
    packets = links.packets(call.sandbox, call.db)
    return {
        "total": sum(packet["total"] for packet in packets),
        "balance": sum(packet["balance"] for packet in packets),
        "quota_list": [
            {"expire_date": day_start(packet["expires_at"]), "balance": packet["balance"]}
            for packet in packets
        ],
    }


@endpoint("POST", f"{PATH}/statistic")
def link_statistic(call: Call) -> dict:
    link = _named(call)
    first = day_start(number(call.body, "start_time"))
    last = day_start(number(call.body, "end_time"))
    too_old = first < day_start(call.now) - 180 * DAY
    if last < first or last - first >= 30 * DAY or too_old:
        raise Refused(40058, "start_time and end_time")
    span = (link.id, first, last + DAY)
    clicks = call.db.execute(
        "select count(distinct external_userid) from link_clicks"
        " where link_id = ? and at >= ? and at < ?",
        span,
    ).fetchone()[0]
    new = call.db.execute(
        "select count(*) from link_customers where link_id = ? and at >= ? and at < ?", span
    ).fetchone()[0]
    return {"click_link_customer_cnt": clicks, "new_customer_cnt": new}


@endpoint("POST", f"{PATH}/get_chat_info")
def get_chat_info(call: Call) -> dict:
    key = text(call.body, "chat_key")
    row = call.db.execute("select * from chat_keys where chat_key = ?", (key,)).fetchone()
    if row is None or call.now - row["at"] > KEY_LIFETIME:
        raise Refused(40058, "invalid chat_key")
    return {
        "userid": row["userid"],
        "external_userid": row["external_userid"],
        "chat_info": {
            "recv_msg_cnt": row["messages"],
            "link_id": row["link_id"],
            "state": row["state"],
        },
    }


def _take(call: Call, link_id: str) -> shelf.Thing:
    return shelf.take(call, LINK, link_id, unknown=40058)


def _named(call: Call) -> shelf.Thing:
    return _take(call, text(call.body, "link_id"))


def _own(call: Call) -> shelf.Thing:
    return shelf.own(call, LINK, text(call.body, "link_id"), unknown=40058)


def _shown(link: shelf.Thing) -> dict:
    return {
        "link_name": link.body["link_name"],
        "url": f"https://wework.example/ca/{link.id}",
        "create_time": link.create_time,
    }


def _range(call: Call) -> dict:
    given = table(call.body, "range")
    users = strings(given, "user_list", most=MOST_MEMBERS)
    departments = integers(given, "department_list", most=MOST_MEMBERS)
    if not users and not departments:
        raise Refused(40063, "range")
    people = receivers(call, users, departments)
    if not people or len(people) > MOST_MEMBERS:
        raise Refused(40058, f"range covers {len(people)} members")
    return {"user_list": users, "department_list": departments}


def _priority(call: Call) -> dict:
    given = table(call.body, "priority_option")
    if not given:
        return {}
    kind = number(given, "priority_type", least=ANYBODY, most=CHOSEN)
    chosen = strings(given, "priority_userid_list", most=MOST_MEMBERS, required=kind == CHOSEN)
    receivers(call, chosen, [])
    return {"priority_type": kind, "priority_userid_list": chosen}
