"""Rule groups of customers and of moments (reference, 2.6 and 7.4), which are built alike."""

from functools import partial

from . import shelf
from .api import Call, endpoint
from .people import follower
from .routes_directory import known_departments
from .wire import Refused, limit, number, strings, table, tables, text

STRATEGY, MOMENT_STRATEGY = "strategy", "moment_strategy"
MOST_ADMINS, MOST_RANGE, MOST_LEVELS = 20, 100, 5


def strategy_list(call: Call, *, kind: str) -> dict:
    found, cursor = shelf.page(call, kind, size=limit(call.body, default=1000, most=1000))
    listed = [{"strategy_id": int(strategy.id)} for strategy in found]
    return {"strategy": listed, "next_cursor": cursor}


def strategy_get(call: Call, *, kind: str) -> dict:
    strategy = named_strategy(call, kind)
    shown = {name: value for name, value in strategy.body.items() if name != "range"}
    shown |= {"strategy_id": int(strategy.id), "create_time": strategy.create_time}
    return {"strategy": shown}


def strategy_get_range(call: Call, *, kind: str) -> dict:
    strategy = named_strategy(call, kind)
    size = limit(call.body, default=1000, most=1000)
    position, following = call.paged(strategy.id)
    start = position[0] if position else 0
    more = len(strategy.body["range"]) > start + size
    return {
        "range": strategy.body["range"][start : start + size],
        "next_cursor": following([start + size] if more else None),
    }


def strategy_create(call: Call, *, kind: str) -> dict:
    parent = number(call.body, "parent_id", default=0)
    if parent and _level(call, kind, parent) >= MOST_LEVELS:
        raise Refused(40058, "parent_id: no more than five levels")
    body = {
        "parent_id": parent,
        "strategy_name": text(call.body, "strategy_name"),
        "admin_list": _admins(call),
        "privilege": table(call.body, "privilege"),
        "range": _range(call, "range", required=True),
    }
    strategy_id = call.sandbox.store.number("strategies")
    shelf.put_as(call, kind, str(strategy_id), body)
    return {"strategy_id": strategy_id}


def strategy_edit(call: Call, *, kind: str) -> dict:
    strategy = _own(call, kind)
    body = dict(strategy.body)
    if "strategy_name" in call.body:
        body["strategy_name"] = text(call.body, "strategy_name")
    if "admin_list" in call.body:
        body["admin_list"] = _admins(call)
    if "privilege" in call.body:
        body["privilege"] = body["privilege"] | table(call.body, "privilege")
    gone = _range(call, "range_del")
    kept = [node for node in body["range"] if node not in gone]
    body["range"] = kept + [node for node in _range(call, "range_add") if node not in kept]
    shelf.change(call, strategy, body)
    return {}


def strategy_del(call: Call, *, kind: str) -> dict:
    shelf.remove(call, _own(call, kind))
    return {}


def named_strategy(call: Call, kind: str = STRATEGY) -> shelf.Thing:
    """The rule group that `strategy_id` names."""
    return shelf.take(call, kind, str(number(call.body, "strategy_id")), unknown=40058)


def _own(call: Call, kind: str) -> shelf.Thing:
    return shelf.own(call, kind, str(number(call.body, "strategy_id")), unknown=40058)


def _level(call: Call, kind: str, strategy_id: int) -> int:
    level = 0
    while strategy_id:
        strategy = shelf.take(call, kind, str(strategy_id), unknown=40058)
        strategy_id, level = strategy.body["parent_id"], level + 1
    return level


def _admins(call: Call) -> list[str]:
    admins = strings(call.body, "admin_list", most=MOST_ADMINS)
    for userid in admins:
        follower(call, userid)
    return admins


def _range(call: Call, name: str, *, required: bool = False) -> list[dict]:
    """Members (type 1) and departments (type 2)."""
    given = tables(call.body, name)
    if len(given) > MOST_RANGE or (required and not given):
        raise Refused(40058, name)
    nodes = []
    for node in given:
        if number(node, "type", least=1, most=2) == 1:
            userid = follower(call, text(node, "userid", missing=41009))["userid"]
            nodes.append({"type": 1, "userid": userid})
        else:
            party = number(node, "partyid")
            if not known_departments(call.db, [party]):
                raise Refused(60123)
            nodes.append({"type": 2, "partyid": party})
    return nodes


ACTS = {
    "list": strategy_list,
    "get": strategy_get,
    "get_range": strategy_get_range,
    "create": strategy_create,
    "edit": strategy_edit,
    "del": strategy_del,
}
for _name, _handler in ACTS.items():
    endpoint("POST", f"externalcontact/customer_strategy/{_name}")(partial(_handler, kind=STRATEGY))
    endpoint("POST", f"externalcontact/moment_strategy/{_name}")(
        partial(_handler, kind=MOMENT_STRATEGY)
    )
