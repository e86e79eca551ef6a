"""Ninety days in a few seconds: groups, posts that were too many, and everybody's journey."""

import json
import sqlite3
from typing import TYPE_CHECKING

from . import names
from .clock import DAY, HOUR
from .dice import Dice
from .journeys import Journeys
from .past import COUNTERS, Past
from .travel import make_routes, place_order

if TYPE_CHECKING:
    from .world import Organisation, Plan


def tell(plan: "Plan", organisation: "Organisation", dice: Dice, *, epoch: float) -> Past:
    """The whole past of a plan, not yet written anywhere."""
    past = Past(epoch=epoch, days=plan.days, agreeing=plan.agreeing)
    make_routes(past, dice)
    journeys = Journeys(past, organisation, dice)
    journeys.groups_of = _open_groups(past, organisation, dice, plan.groups)
    journeys.pushy_days = _pushy_posts(past, organisation, dice)
    friends = 0
    while friends < plan.customers:
        friends += journeys.live()
    _strangers(past, dice, plan.customers // 2)
    return past


def _open_groups(past: Past, organisation, dice: Dice, count: int) -> dict[int, list[dict]]:
    by_team: dict[int, list[dict]] = {}
    for number in range(1, count + 1):
        owner = dice.choice(organisation.members)
        place, theme = dice.choice(names.DESTINATIONS), dice.choice(names.THEMES)
        age = dice.uniform(0.2, 1.6) * past.days
        chat = {
            "chat_id": dice.key("wr"),
            "name": "" if dice.happens(0.03) else f"{place}{theme}群{number}",
            "owner": owner.userid,
            "create_time": int(past.today - age * DAY + dice.uniform(9, 20) * HOUR),
            "notice": "群内请勿发布广告" if dice.happens(0.5) else "",
            "version": dice.hexadecimal(),
        }
        colleagues = [m.userid for m in organisation.teams[owner.team] if m is not owner]
        inside = [owner.userid, *dice.sample(colleagues, min(2, len(colleagues)))]
        chat["admins"] = inside[1:2]
        for userid in inside:
            past.chat_members.append(
                (chat["chat_id"], userid, 1, chat["create_time"], 1, "", owner.userid)
            )
        past.chats.append(chat)
        by_team.setdefault(owner.team, []).append(chat)
    return by_team


def _pushy_posts(past: Past, organisation, dice: Dice) -> dict[str, list[float]]:
    """Own posts of members; the pushy ones have days with three, which drive people away."""
    days: dict[str, list[float]] = {}
    for member in organisation.members:
        pushy = member.pushy > 1.5
        for _ in range(6 if pushy else 3):
            day = past.born + dice.randrange(past.days) * DAY
            for _ in range(3 if pushy else 1):
                route = dice.choice(past.routes)
                at = int(day + dice.uniform(8, 22) * HOUR)
                past.moments.append((dice.key("mom"), member.userid, at, route["title"]))
            if pushy:
                days.setdefault(member.userid, []).append(day)
    return days


def _strangers(past: Past, dice: Dice, count: int) -> None:
    """Members of the travel company who are nobody's friend on WeCom, or not yet."""
    for _ in range(count):
        number = f"M{past.next_number('member'):06d}"
        unionid, name = dice.key("o", 27), names.real_name(dice)
        joined_at = past.epoch - dice.soon(300 * DAY)
        channel = dice.choice(("app", "website", "store", "partner"))
        birthday = f"{dice.randint(1955, 2006)}-{dice.randint(1, 12):02d}-{dice.randint(1, 28):02d}"
        past.customers.append(
            (
                *(number, name, names.mobile(dice), unionid),
                *(dice.choice(names.CITIES), birthday, channel, joined_at),
            )
        )
        past.prospects.append((number, name, unionid, dice.choice((1, 2))))
        for _ in range(dice.choice((0, 1, 1, 1, 2, 3))):
            place_order(past, dice, number, max(past.some_time(dice), joined_at))
        for _ in range(int(dice.soon(2.2))):
            route = dice.choice(past.routes)["route_id"]
            past.event(number, "route_viewed", past.some_time(dice), route=route)


def write(db: sqlite3.Connection, past: Past) -> None:
    """The part of the past that the platform itself knows."""
    db.executemany(
        "insert into contacts (external_userid, name, type, gender, unionid, corp_name, member_no)"
        " values (?, ?, ?, ?, ?, ?, ?)",
        past.contacts,
    )
    db.executemany(
        "insert into relations (userid, external_userid, createtime, add_way, state, remark,"
        " remark_mobiles, oper_userid) values (?, ?, ?, ?, ?, ?, ?, ?)",
        [(*row[:6], json.dumps(row[6]), row[7]) for row in past.relations],
    )
    db.executemany("insert or ignore into relation_tags values (?, ?, ?)", past.relation_tags)
    db.executemany(
        "insert into chats (chat_id, name, owner, create_time, notice, admins, version)"
        " values (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                *(chat["chat_id"], chat["name"], chat["owner"], chat["create_time"]),
                *(chat["notice"], json.dumps(chat["admins"]), chat["version"]),
            )
            for chat in past.chats
        ],
    )
    db.executemany(
        "insert into chat_members (chat_id, member, type, join_time, join_scene, state, invitor)"
        " values (?, ?, ?, ?, ?, ?, ?)",
        past.chat_members,
    )
    db.executemany("insert into prospects values (?, ?, ?, ?)", past.prospects)
    db.executemany(
        "insert into moments (moment_id, creator, create_type, create_time, ready_at, text,"
        " attachments, visible_type) values (?, ?, 1, ?, ?, ?, '[]', 1)",
        [
            (key, creator, at, at, text)
            for key, creator, at, text in past.moments
            if at < past.epoch
        ],
    )
    db.executemany(
        "insert into behavior (userid, day, new_apply, new_contact, chat, message, opened,"
        " answered, answer_seconds, negative) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(*key, *(row[name] for name in COUNTERS)) for key, row in sorted(past.behavior.items())],
    )
