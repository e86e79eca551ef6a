"""What apps put on the platform's shelves: codes, links, templates, rules, products.

They differ in their fields only, so they share one table: a kind, an id and a JSON body. Each
belongs to the app that made it; everybody may look, only the owner may change.
"""

import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from .api import Call
from .wire import Refused


@dataclass(frozen=True)
class Thing:
    """One of them."""

    kind: str
    id: str
    app: str
    create_time: int
    body: dict[str, Any]


def put(call: Call, kind: str, prefix: str, body: dict[str, Any]) -> str:
    """Make one; says its id and enters it into the ledger."""
    thing_id = call.sandbox.new_id(prefix)
    put_as(call, kind, thing_id, body)
    return thing_id


def put_as(call: Call, kind: str, thing_id: str, body: dict[str, Any]) -> None:
    """The same under an id of the caller's choice."""
    keep(call.db, kind, thing_id, int(call.now), body, app=call.app)
    call.effect(thing_id)


def keep(
    db: sqlite3.Connection,
    kind: str,
    thing_id: str,
    now: int,
    body: dict[str, Any],
    *,
    app: str = "",
) -> None:
    """Made by an app, or by people, who have no app."""
    db.execute(
        "insert into shelf values (?, ?, ?, ?, ?)",
        (kind, thing_id, app, now, json.dumps(body, ensure_ascii=False)),
    )


def find(db: sqlite3.Connection, kind: str, thing_id: str) -> Thing | None:
    row = db.execute("select * from shelf where kind = ? and id = ?", (kind, thing_id)).fetchone()
    return None if row is None else _thing(row)


def take(call: Call, kind: str, thing_id: str, *, unknown: int) -> Thing:
    """One to look at."""
    thing = find(call.db, kind, thing_id)
    if thing is None:
        raise Refused(unknown, thing_id)
    return thing


def own(call: Call, kind: str, thing_id: str, *, unknown: int, foreign: int = 301002) -> Thing:
    """One to change, which only the app that made it may do."""
    thing = take(call, kind, thing_id, unknown=unknown)
    if thing.app != call.app:
        raise Refused(foreign, thing_id)
    return thing


def rewrite(db: sqlite3.Connection, thing: Thing, body: dict[str, Any]) -> None:
    db.execute(
        "update shelf set body = ? where kind = ? and id = ?",
        (json.dumps(body, ensure_ascii=False), thing.kind, thing.id),
    )


def change(call: Call, thing: Thing, body: dict[str, Any]) -> None:
    rewrite(call.db, thing, body)
    call.effect(thing.id)


def remove(call: Call, thing: Thing) -> None:
    call.db.execute("delete from shelf where kind = ? and id = ?", (thing.kind, thing.id))
    call.effect(thing.id)


def count(db: sqlite3.Connection, *kinds: str) -> int:
    return db.execute(
        "select count(*) from shelf where kind in (select value from json_each(?))",
        (json.dumps(kinds),),
    ).fetchone()[0]


def everything(db: sqlite3.Connection, kind: str) -> list[Thing]:
    """All of a kind, in the order they were made."""
    found = db.execute("select * from shelf where kind = ? order by create_time, id", (kind,))
    return [_thing(row) for row in found]


def page(
    call: Call, kind: str, *, size: int, since: int = 0, until: int = 2**40
) -> tuple[list[Thing], str]:
    """A page of a kind, oldest first, and the cursor of the next."""
    asked = {name: value for name, value in call.body.items() if name not in ("cursor", "limit")}
    position, following = call.paged([kind, asked])
    found = call.db.execute(
        "select * from shelf where kind = ? and create_time between ? and ?"
        " and (create_time, id) > (?, ?) order by create_time, id limit ?",
        (kind, since, until, *(position or (0, "")), size + 1),
    ).fetchall()
    shown = [_thing(row) for row in found[:size]]
    last = [shown[-1].create_time, shown[-1].id] if len(found) > size else None
    return shown, following(last)


def _thing(row: sqlite3.Row) -> Thing:
    return Thing(row["kind"], row["id"], row["app"], row["create_time"], json.loads(row["body"]))
