"""Sensitive-word rules (reference, section 11). Nothing tells of a hit: the client enforces."""

from . import shelf
from .api import Call, endpoint
from .routes_directory import receivers
from .wire import Refused, integers, number, strings, table, text

RULE = "rule"
MOST_RULES, MOST_WORDS, MOST_PEOPLE = 100, 300, 1000
MOST_EVER = 10_000  # Members of one rule over all updates.
SEMANTICS = {1, 2, 3}  # Phone number, e-mail address, red packet.


@endpoint("POST", "externalcontact/add_intercept_rule")
def add_intercept_rule(call: Call) -> dict:
    """Here `semantics_list` stands at the top, on reading and updating inside `extra_rule`."""
    if shelf.count(call.db, RULE) >= MOST_RULES:
        raise Refused(41069)
    name = _name(call, "")
    words, semantics = _words(call.body), _semantics(call.body)
    if not words and not semantics:
        raise Refused(41083, "word_list and semantics_list are empty")
    body = {
        "rule_name": name,
        "word_list": words,
        "semantics": semantics,
        "intercept_type": number(call.body, "intercept_type", least=1, most=2),
        "range": _range(call, "applicable_range", required=True),
    }
    return {"rule_id": shelf.put(call, RULE, "rule", body)}


@endpoint("GET", "externalcontact/get_intercept_rule_list")
def get_intercept_rule_list(call: Call) -> dict:
    listed = [
        {"rule_id": rule.id, "rule_name": rule.body["rule_name"], "create_time": rule.create_time}
        for rule in shelf.everything(call.db, RULE)
    ]
    return {"rule_list": listed}


@endpoint("POST", "externalcontact/get_intercept_rule")
def get_intercept_rule(call: Call) -> dict:
    rule = shelf.take(call, RULE, text(call.body, "rule_id", missing=41070), unknown=41070)
    return {
        "rule": {
            "rule_id": rule.id,
            "rule_name": rule.body["rule_name"],
            "word_list": rule.body["word_list"],
            "extra_rule": {"semantics_list": rule.body["semantics"]},
            "intercept_type": rule.body["intercept_type"],
            "applicable_range": rule.body["range"],
        }
    }


@endpoint("POST", "externalcontact/update_intercept_rule")
def update_intercept_rule(call: Call) -> dict:
    """Words are replaced unless empty; semantics are cleared by an empty list."""
    rule = _own(call)
    body = dict(rule.body)
    if call.body.get("rule_name"):
        body["rule_name"] = _name(call, rule.id)
    body["word_list"] = _words(call.body) or body["word_list"]
    if "extra_rule" in call.body:
        body["semantics"] = _semantics(table(call.body, "extra_rule"))
    if "intercept_type" in call.body:
        body["intercept_type"] = number(call.body, "intercept_type", least=1, most=2)
    body["range"] = _moved(call, body["range"])
    shelf.change(call, rule, body)
    return {}


@endpoint("POST", "externalcontact/del_intercept_rule")
def del_intercept_rule(call: Call) -> dict:
    shelf.remove(call, _own(call))
    return {}


def _own(call: Call) -> shelf.Thing:
    return shelf.own(call, RULE, text(call.body, "rule_id", missing=41070), unknown=41070)


def _name(call: Call, rule_id: str) -> str:
    name = text(call.body, "rule_name", chars=20)
    twin = call.db.execute(
        "select 1 from shelf where kind = ? and id <> ? and json_extract(body, '$.rule_name') = ?",
        (RULE, rule_id, name),
    ).fetchone()
    if twin:
        raise Refused(41077, name)
    return name


def _words(body: dict) -> list[str]:
    words = strings(body, "word_list", most=MOST_WORDS, too_many=41068)
    if not all(1 <= len(word) <= 32 for word in words):
        raise Refused(41083)
    return list(dict.fromkeys(words))


def _semantics(body: dict) -> list[int]:
    given = body.get("semantics_list") or []
    if not isinstance(given, list) or not all(type(item) is int for item in given):
        raise Refused(41084)
    if not set(given) <= SEMANTICS:
        raise Refused(41084)
    return sorted(set(given))


def _range(call: Call, name: str, *, required: bool = False) -> dict:
    given = table(call.body, name)
    users = strings(given, "user_list", most=MOST_PEOPLE, too_many=41076)
    departments = integers(given, "department_list", most=MOST_PEOPLE)
    if required and not users and not departments:
        raise Refused(40063, name)
    receivers(call, users, departments)
    return {"user_list": users, "department_list": departments}


def _moved(call: Call, present: dict) -> dict:
    """The range is added to and taken from, never replaced."""
    more = _range(call, "add_applicable_range")
    less = _range(call, "remove_applicable_range")
    moved = {
        name: [item for item in dict.fromkeys(present[name] + more[name]) if item not in less[name]]
        for name in present
    }
    if len(moved["user_list"]) > MOST_EVER:
        raise Refused(41076)
    return moved
