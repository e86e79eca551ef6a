"""A slow, obvious count of who answers a rule, over plain dictionaries."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from analytics.segments.bucketing import bucket_of, seed_of

ZONE = ZoneInfo("Asia/Shanghai")


def local(at: datetime) -> date:
    return at.astimezone(ZONE).date()


def age(birthday: date, today: date) -> int:
    passed = (today.month, today.day) >= (birthday.month, birthday.day)
    return today.year - birthday.year - (not passed)


def answers(rule: dict[str, Any], who: dict[str, Any], world: dict[str, Any]) -> bool:
    """Does this customer answer the rule (as JSON)?"""
    for how in ("all", "any", "none"):
        if how in rule:
            found = [answers(part, who, world) for part in rule[how]]
            return {"all": all(found), "any": any(found), "none": not any(found)}[how]
    return next(test for name, test in TESTS.items() if name in rule)(rule, who, world)


def attribute(rule, who, world) -> bool:
    name, today = rule["field"], world["today"]
    if "in" in rule:
        return who[name] in rule["in"]
    value = who[name]
    if value is None:
        return False
    if name == "age":
        value = age(value, today)
    elif name.endswith("_days"):
        value = (today - local(value)).days
    elif name == "paid":
        value = value / 100
    return rule.get("from", float("-inf")) <= value <= rule.get("to", float("inf"))


def tags(rule, who, world) -> bool:
    shared = set(rule["ids"]) & set(who["tags"])
    return {"any": bool(shared), "all": shared == set(rule["ids"]), "none": not shared}[
        rule["tags"]
    ]


def fact(rule, who, world) -> bool:
    first = world["today"] - timedelta(days=rule["days"] - 1)
    times = sum(
        kind == rule["fact"]
        and first <= local(at) <= world["today"]
        and all(properties.get(k) == v for k, v in rule.get("where", {}).items())
        for kind, at, properties in who["facts"]
    )
    return rule.get("at_least", 0) <= times <= rule.get("at_most", times)


def trip(rule, who, world) -> bool:
    low, high = (world["today"] + timedelta(days=rule[name]) for name in ("from", "to"))
    side = {"start": 1, "return": 2}[rule["trip"]]
    return any(
        order[0] in ("paid", "completed") and order[side] and low <= order[side] <= high
        for order in who["orders_list"]
    )


def bucket(rule, who, world) -> bool:
    place = bucket_of(np.array([who["id"]], np.uint64), seed_of(rule["salt"]))[0]
    return rule["bucket"][0] * 100 <= place < rule["bucket"][1] * 100


TESTS = {
    "field": attribute,
    "tags": tags,
    "group": lambda rule, who, world: bool(set(rule["group"]) & set(who["groups_now"])),
    "agent": lambda rule, who, world: bool(set(rule["agent"]) & set(who["friends_of"])),
    "fact": fact,
    "trip": trip,
    "bucket": bucket,
    "segment": lambda rule, who, world: answers(world["segments"][rule["segment"]], who, world),
}
