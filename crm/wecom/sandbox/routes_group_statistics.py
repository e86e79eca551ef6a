"""Statistics of customer groups (reference, 8.2): by owner with offsets, or by day.

Joins and groups are counted from the world itself; what was said in a group on a day is drawn
from the seed, the group and the day, so that asking twice gives the same answer.
"""

import json
import sqlite3

from .api import Call, endpoint
from .clock import DAY, day_start
from .dice import Dice
from .people import member
from .wire import Refused, number, strings, table

LONGEST, OLDEST = 30, 180
ORDERS = {1: "new_chat_cnt", 2: "chat_total", 3: "new_member_cnt", 4: "member_total"}
QUIET = 0.25  # Days on which nobody writes in a group.


@endpoint("POST", "externalcontact/groupchat/statistic")
def groupchat_statistic(call: Call) -> dict:
    first, last = _span(call)
    order = ORDERS[number(call.body, "order_by", default=1, least=1, most=4)]
    ascending = number(call.body, "order_asc", default=0, most=1)
    offset = number(call.body, "offset", default=0)
    size = number(call.body, "limit", default=500, least=1, most=1000)
    items = [
        {"owner": owner, "data": _data(call, _chats(call, owner), first, last)}
        for owner in _owners(call)
    ]
    sign = 1 if ascending else -1
    items.sort(key=lambda item: (sign * item["data"][order], item["owner"]))
    page = items[offset : offset + size]
    return {"total": len(items), "next_offset": offset + len(page), "items": page}


@endpoint("POST", "externalcontact/groupchat/statistic_group_by_day")
def groupchat_statistic_by_day(call: Call) -> dict:
    first, last = _span(call)
    chats = [chat for owner in _owners(call) for chat in _chats(call, owner)]
    days = range(first, last + 1, DAY)
    return {"items": [{"stat_time": day, "data": _data(call, chats, day, day)} for day in days]}


def _span(call: Call) -> tuple[int, int]:
    """Whole days up to yesterday."""
    first = day_start(number(call.body, "day_begin_time"))
    last = day_start(number(call.body, "day_end_time", default=first))
    today = day_start(call.now)
    if last < first or last - first >= LONGEST * DAY:
        raise Refused(40058, "day_begin_time and day_end_time span at most 30 days")
    if first < today - OLDEST * DAY or first >= today:
        raise Refused(40058, "day_begin_time")
    return first, min(last, today - DAY)


def _owners(call: Call) -> list[str]:
    owners = strings(table(call.body, "owner_filter"), "userid_list", most=100, required=True)
    for owner in owners:
        member(call, owner, left=True)
    return list(dict.fromkeys(owners))


def _chats(call: Call, owner: str) -> list[sqlite3.Row]:
    return call.db.execute(
        "select chat_id, create_time, dismissed_at from chats where owner = ? order by chat_id",
        (owner,),
    ).fetchall()


def _data(call: Call, chats: list[sqlite3.Row], first: int, last: int) -> dict:
    until = last + DAY
    chats = [chat for chat in chats if chat["create_time"] < until]
    ids = json.dumps([chat["chat_id"] for chat in chats])
    joined = call.db.execute(
        "select count(*) filter (where join_time >= ?) as new_people, count(*) as people"
        " from chat_members where join_time < ? and chat_id in (select value from json_each(?))",
        (first, until, ids),
    ).fetchone()
    living = [c for c in chats if c["dismissed_at"] is None or c["dismissed_at"] >= until]
    said = [_said(call, chat, day) for chat in living for day in range(first, until, DAY)]
    return {
        "new_chat_cnt": sum(chat["create_time"] >= first for chat in chats),
        "chat_total": len(living),
        "chat_has_msg": len({chat_id for chat_id, people, _ in said if people}),
        "new_member_cnt": joined["new_people"],
        "member_total": joined["people"],
        "member_has_msg": sum(people for _, people, _ in said),
        "msg_total": sum(messages for _, _, messages in said),
        "migrate_trainee_chat_cnt": 0,
    }


def _said(call: Call, chat: sqlite3.Row, day: int) -> tuple[str, int, int]:
    """(group, people who wrote, messages) of one day; statistics may come late in the morning."""
    dice = Dice(f"{call.sandbox.store.get('seed')}/{chat['chat_id']}/{day}")
    if day < day_start(chat["create_time"]) or dice.happens(QUIET) or is_late(call, day):
        return chat["chat_id"], 0, 0
    people = 1 + int(dice.soon(3))
    return chat["chat_id"], people, people + int(dice.soon(2.5 * people))


def is_late(call: Call, day: int) -> bool:
    """Yesterday's figures are zero until this hour of the morning, where that is switched on."""
    late = call.sandbox.store.get("statistics_hour", 0) * 3600
    return day == day_start(call.now) - DAY and call.now - day_start(call.now) < late
