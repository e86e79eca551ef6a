"""The operator's hand: faults, clock, life, callbacks and inspection, as JSON under /_sandbox/."""

import json
import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import faults, world
from .acts import KINDS, perform
from .acts_base import CannotAct
from .routes_auth import spoil_tokens
from .store import rows

if TYPE_CHECKING:
    from .core import Sandbox

Answer = dict | list
# Settings that are a number, kept until the next reset.
NUMBERS = {"archive_bytes", "contacts_sync", "group_size", "receive_rule", "refusals"}
NUMBERS |= {"statistics_hour"}
CONTROLS: dict[tuple[str, str], Callable[["Sandbox", dict[str, Any]], Answer]] = {}


class BadRequest(Exception):
    """The control call makes no sense; nothing was changed."""


def control(verb: str, path: str) -> Callable:
    def register(handler: Callable) -> Callable:
        CONTROLS[verb, path] = handler
        return handler

    return register


def handle(
    sandbox: "Sandbox", verb: str, path: str, query: dict[str, str], raw: bytes
) -> tuple[int, Answer]:
    handler = CONTROLS.get((verb, path))
    if handler is None:
        return 404, {"error": "unknown", "known": sorted(" ".join(key) for key in CONTROLS)}
    try:
        given = json.loads(raw) if raw else {}
        if not isinstance(given, dict):
            raise BadRequest("send a JSON object")
        return 200, handler(sandbox, {**query, **given})
    except (BadRequest, faults.BadFault, CannotAct, ValueError, TypeError) as error:
        return 400, {"error": str(error)}


@control("GET", "state")
def state(sandbox: "Sandbox", given: dict) -> Answer:
    """Counts of everything, and the switches."""
    with sandbox.store.read() as db:
        letters = db.execute("select state, count(*) as n from callbacks group by state")
        letters = {row["state"]: row["n"] for row in letters}
    return {
        "ready": True,
        "counts": sandbox.summary(),
        "callbacks": letters,
        "callback_url": sandbox.postman.url,
        "verified": sandbox.postman.verified,
        "now": sandbox.clock.now(),
        "clock_offset": sandbox.clock.offset,
        "epoch": sandbox.store.get("epoch"),
        "seed": sandbox.store.get("seed"),
        "life": sandbox.life.on,
        "speed": sandbox.config.speed,
        "calls": dict(sandbox.counts),
        "faults": sandbox.faults.summary(),
        "files": str(sandbox.store.files),
    }


@control("GET", "routes")
def routes(sandbox: "Sandbox", given: dict) -> Answer:
    """Every endpoint that is spoken here."""
    return [{"verb": route.verb, "path": route.path} for route in sandbox.routes.values()]


@control("GET", "world")
def whole_world(sandbox: "Sandbox", given: dict) -> Answer:
    with sandbox.store.read() as db:
        return world.snapshot(db)


@control("GET", "ledger")
def ledger(sandbox: "Sandbox", given: dict) -> Answer:
    """Applied effects, oldest first; `after` is the last id already seen."""
    method = given.get("method", "")
    with sandbox.store.read() as db:
        found = rows(
            db.execute(
                "select * from ledger where (? = '' or method = ?) and id > ? order by id limit ?",
                (method, method, int(given.get("after", 0)), int(given.get("limit", 100_000))),
            )
        )
    return [row | {"body": json.loads(row["body"])} for row in found]


@control("GET", "callbacks")
def callbacks(sandbox: "Sandbox", given: dict) -> Answer:
    wanted = given.get("state", "")
    with sandbox.store.read() as db:
        return rows(
            db.execute(
                "select * from callbacks where (? = '' or state = ?) order by id desc limit ?",
                (wanted, wanted, int(given.get("limit", 1000))),
            )
        )


@control("GET", "messages")
def messages(sandbox: "Sandbox", given: dict) -> Answer:
    """Application messages, and welcomes with their codes."""
    with sandbox.store.read() as db:
        sent = rows(db.execute("select * from app_messages order by id"))
        welcomes = rows(db.execute("select * from welcome_codes order by issued_at"))
    return {"messages": sent, "welcomes": welcomes}


@control("POST", "faults")
def add_fault(sandbox: "Sandbox", given: dict) -> Answer:
    return {"id": sandbox.faults.add(**given).id, "kinds": faults.KINDS}


@control("DELETE", "faults")
def remove_faults(sandbox: "Sandbox", given: dict) -> Answer:
    wanted = given.get("id")
    return {"removed": sandbox.faults.remove(None if wanted is None else int(wanted))}


@control("POST", "tokens")
def tokens(sandbox: "Sandbox", given: dict) -> Answer:
    """`action`: revoke (then 40014) or expire (then 42001); all apps, or one `secret`."""
    if given.get("action") not in ("revoke", "expire"):
        raise BadRequest("action is revoke or expire")
    with sandbox.store.write() as db:
        spoiled = spoil_tokens(
            db,
            action=given["action"],
            secret=given.get("secret", ""),
            now=sandbox.clock.now(),
        )
    return {"spoiled": spoiled}


@control("POST", "cursors")
def expire_cursors(sandbox: "Sandbox", given: dict) -> Answer:
    """Every cursor given so far stops working (50100)."""
    sandbox.cursors.expire()
    return {"expired": True}


@control("POST", "clock")
def clock(sandbox: "Sandbox", given: dict) -> Answer:
    """`advance` by seconds, or set the `offset` to real time."""
    if "advance" in given:
        offset = sandbox.clock.offset + float(given["advance"])
    elif "offset" in given:
        offset = float(given["offset"])
    else:
        raise BadRequest("send advance or offset, in seconds")
    sandbox.clock.move(offset=offset)
    sandbox.settle()
    return {"now": sandbox.clock.now(), "offset": sandbox.clock.offset}


@control("POST", "life")
def life(sandbox: "Sandbox", given: dict) -> Answer:
    if not isinstance(given.get("on"), bool):
        raise BadRequest("on is true or false")
    sandbox.life.on = given["on"]
    return {"life": sandbox.life.on}


@control("POST", "step")
def step(sandbox: "Sandbox", given: dict) -> Answer:
    """Exactly one act of a kind, or `count` of them."""
    kind, count = given.pop("kind", ""), int(given.pop("count", 1))
    if kind not in KINDS:
        raise BadRequest(f"kind is one of {', '.join(KINDS)}")
    done = [perform(sandbox, kind, sandbox.life.dice, **given) for _ in range(count)]
    return done[0] if len(done) == 1 else done


@control("POST", "settings")
def settings(sandbox: "Sandbox", given: dict) -> Answer:
    """`native_welcome` and `customer_limit` of members, `limits` of methods, and single values."""
    named = {"lost_relations_listed", "native_welcome", "customer_limit", "limits"}
    unknown = set(given) - named - NUMBERS
    if unknown:
        raise BadRequest(f"unknown settings: {', '.join(sorted(unknown))}")
    if "lost_relations_listed" in given:
        sandbox.store.put("lost_relations_listed", bool(given["lost_relations_listed"]))
    if "native_welcome" in given:
        with sandbox.store.write() as db:
            db.executemany(
                "update members set native_welcome = ? where userid = ?",
                [(bool(value), userid) for userid, value in given["native_welcome"].items()],
            )
    if "limits" in given:
        sandbox.limits.clear(given["limits"])
    if "customer_limit" in given:
        sandbox.store.put("customer_limit", dict(given["customer_limit"]))
    for name in NUMBERS & given.keys():
        sandbox.store.put(name, float(given[name]))
    return {"lost_relations_listed": sandbox.store.get("lost_relations_listed")}


@control("POST", "callback")
def set_callback(sandbox: "Sandbox", given: dict) -> Answer:
    """Save the receiver's `url` as in WeCom's console: it is checked by a GET at once."""
    sandbox.postman.url = str(given.get("url", ""))
    return {"url": sandbox.postman.url, "verified": sandbox.postman.check_url()}


@control("POST", "callbacks")
def callback_options(sandbox: "Sandbox", given: dict) -> Answer:
    """`duplicate` (probability), `reorder_seconds`, `retry_seconds`, `paused`."""
    options = sandbox.postman.options
    unknown = set(given) - set(options)
    if unknown:
        raise BadRequest(f"unknown options: {', '.join(sorted(unknown))}")
    for name, value in given.items():
        options[name] = bool(value) if name == "paused" else float(value)
    sandbox.postman.wake()
    return options


@control("POST", "callbacks/resend")
def resend(sandbox: "Sandbox", given: dict) -> Answer:
    """Send again: one `id`, the `last` n, or all of a `state`; `shuffle` their order."""
    with sandbox.store.write() as db:
        found = _chosen(db, given)
        if given.get("shuffle"):
            sandbox.life.dice.shuffle(found)
        ids = [sandbox.postman.queue(db, row["at"], row["event"], row["xml"]) for row in found]
    sandbox.postman.wake()
    return {"queued": ids}


@control("POST", "callbacks/drop")
def drop_callbacks(sandbox: "Sandbox", given: dict) -> Answer:
    """An outage: what waits is lost and will never be told."""
    with sandbox.store.write() as db:
        lost = db.execute("update callbacks set state = 'lost' where state = 'pending'")
    return {"lost": lost.rowcount}


@control("POST", "reset")
def reset(sandbox: "Sandbox", given: dict) -> Answer:
    """The world as it was generated; tokens, ledger, faults, clock and receiver as at the start."""
    sandbox.reset()
    return {"reset": True}


def _chosen(db: sqlite3.Connection, given: dict) -> list[sqlite3.Row]:
    if "id" in given:
        return db.execute("select * from callbacks where id = ?", (int(given["id"]),)).fetchall()
    if "state" in given:
        return db.execute(
            "select * from callbacks where state = ? order by id", (given["state"],)
        ).fetchall()
    last = db.execute(
        "select * from callbacks order by id desc limit ?", (int(given.get("last", 1)),)
    )
    return last.fetchall()[::-1]
