"""Corp tags, and tags on relations (reference, section 3).

Strategy tags (`routes_strategy_tags`) are handled alike; they differ in their ids.
"""

import json
import sqlite3

from .api import Call, endpoint
from .people import relation
from .wire import Refused, number, strings, tables, text

MOST_TAGS = 10_000
MOST_ON_CUSTOMER = 3000
NAME = 30
CORP, STRATEGY = "et", "st"  # How the ids of a kind begin.


@endpoint("POST", "externalcontact/get_corp_tag_list")
def get_corp_tag_list(call: Call) -> dict:
    """Everything; by `tag_id` or `group_id` also what was deleted."""
    return list_tags(call, CORP)


@endpoint("POST", "externalcontact/add_corp_tag")
def add_corp_tag(call: Call) -> dict:
    return add_tags(call, CORP)


@endpoint("POST", "externalcontact/edit_corp_tag")
def edit_corp_tag(call: Call) -> dict:
    return edit_tag(call, CORP)


@endpoint("POST", "externalcontact/del_corp_tag")
def del_corp_tag(call: Call) -> dict:
    return drop_tags(call, CORP)


def list_tags(call: Call, kind: str, strategy_id: int = 0) -> dict:
    """Groups of a kind with their tags; of one strategy only, if it is named."""
    tag_ids = strings(call.body, "tag_id", most=MOST_TAGS)
    group_ids = strings(call.body, "group_id", most=MOST_TAGS)
    if group_ids:
        tag_ids = []
    groups = []
    for group in _groups(call.db, kind, strategy_id):
        if group_ids and group["group_id"] not in group_ids:
            continue
        tags = call.db.execute(
            "select * from tags where group_id = ? order by ord desc, tag_id", (group["group_id"],)
        ).fetchall()
        if tag_ids:
            tags = [tag for tag in tags if tag["tag_id"] in tag_ids]
        elif not group_ids:
            tags = [tag for tag in tags if not tag["deleted"]]
        if tags:
            groups.append(_group_json(group, tags, with_deleted=bool(tag_ids or group_ids)))
    return {"tag_group": groups}


def add_tags(call: Call, kind: str, strategy_id: int = 0) -> dict:
    """New tags in a group that may be new as well."""
    wanted = _wanted_tags(call.body)
    group = _group_to_fill(call, kind, strategy_id)
    taken = call.db.execute(
        "select name from tags where group_id = ? and not deleted", (group["group_id"],)
    )
    if {row["name"] for row in taken} & set(wanted):
        raise Refused(40071)
    have = call.db.execute("select count(*) from tags where not deleted").fetchone()[0]
    if have + len(wanted) > MOST_TAGS:
        raise Refused(40126)
    made = [_new_tag(call, kind, group["group_id"], *tag) for tag in wanted.items()]
    call.effect(made[0])
    tags = call.db.execute(
        "select * from tags where tag_id in (select value from json_each(?)) order by ord desc",
        (json.dumps(made),),
    ).fetchall()
    return {"tag_group": _group_json(group, tags)}


def edit_tag(call: Call, kind: str) -> dict:
    """Rename or reorder a tag or a group of this kind."""
    key = text(call.body, "id", missing=40068)
    name = text(call.body, "name", missing=None, chars=NAME, too_long=40072)
    order = number(call.body, "order", default=-1, least=-1)
    tag = call.db.execute("select * from tags where tag_id = ? and not deleted", (key,)).fetchone()
    group = call.db.execute(
        "select * from tag_groups where group_id = ? and not deleted", (key,)
    ).fetchone()
    if (tag is None and group is None) or not key.startswith(kind):
        raise Refused(40068, key)
    _own(call, tag or group)
    if tag:
        _refuse_twin(call, "tag", tag["group_id"], name, key)
        call.db.execute(
            "update tags set name = coalesce(nullif(?, ''), name),"
            " ord = iif(? < 0, ord, ?) where tag_id = ?",
            (name, order, order, key),
        )
    else:
        _refuse_twin(call, "group", "", name, key)
        call.db.execute(
            "update tag_groups set name = coalesce(nullif(?, ''), name),"
            " ord = iif(? < 0, ord, ?) where group_id = ?",
            (name, order, order, key),
        )
    call.effect(key)
    return {}


def drop_tags(call: Call, kind: str) -> dict:
    """Delete tags, or groups with all that is in them."""
    tag_ids = strings(call.body, "tag_id", most=MOST_TAGS)
    group_ids = strings(call.body, "group_id", most=MOST_TAGS)
    if not tag_ids and not group_ids:
        raise Refused(40068)
    doomed = call.db.execute(
        "select tag_id, app from tags where not deleted and tag_id glob ? || '*' and"
        " (tag_id in (select value from json_each(?))"
        "  or group_id in (select value from json_each(?)))",
        (kind, json.dumps(tag_ids), json.dumps(group_ids)),
    ).fetchall()
    if not doomed:
        raise Refused(40068)
    for tag in doomed:
        _own(call, tag)
    delete_tags(call.db, [tag["tag_id"] for tag in doomed])
    call.effect(doomed[0]["tag_id"])
    return {}


@endpoint("POST", "externalcontact/mark_tag")
def mark_tag(call: Call) -> dict:
    pair = relation(
        call,
        text(call.body, "userid", missing=41009),
        text(call.body, "external_userid", missing=41035),
    )
    add = strings(call.body, "add_tag", most=MOST_ON_CUSTOMER)
    remove = strings(call.body, "remove_tag", most=MOST_ON_CUSTOMER)
    if not add and not remove:
        raise Refused(40035, "add_tag and remove_tag are empty")
    known = call.db.execute(
        "select tag_id from tags where not deleted and tag_id in (select value from json_each(?))",
        (json.dumps(add + remove),),
    )
    if {row["tag_id"] for row in known} != set(add + remove):
        raise Refused(40068)
    mark(call.db, pair["userid"], pair["external_userid"], add, remove)
    call.effect(f"tags/{pair['userid']}/{pair['external_userid']}")
    return {}


def mark(
    db: sqlite3.Connection, userid: str, external_userid: str, add: list[str], remove: list[str]
) -> None:
    """Tags hang on the relation, not on the customer."""
    db.executemany(
        "insert or ignore into relation_tags values (?, ?, ?)",
        [(userid, external_userid, tag) for tag in add],
    )
    db.executemany(
        "delete from relation_tags where userid = ? and external_userid = ? and tag_id = ?",
        [(userid, external_userid, tag) for tag in remove],
    )


def delete_tags(db: sqlite3.Connection, tag_ids: list[str]) -> None:
    """A group goes with its last tag."""
    listed = json.dumps(tag_ids)
    db.execute(
        "update tags set deleted = 1 where tag_id in (select value from json_each(?))", (listed,)
    )
    db.execute(
        "delete from relation_tags where tag_id in (select value from json_each(?))", (listed,)
    )
    db.execute(
        "update tag_groups set deleted = 1 where group_id not in"
        " (select group_id from tags where not deleted)"
    )


def _new_tag(call: Call, kind: str, group_id: str, name: str, order: int) -> str:
    tag_id = call.sandbox.new_id(kind)
    call.db.execute(
        "insert into tags (tag_id, group_id, name, create_time, ord, app) values (?,?,?,?,?,?)",
        (tag_id, group_id, name, int(call.now), order, call.app),
    )
    return tag_id


def _groups(db: sqlite3.Connection, kind: str, strategy_id: int) -> list[sqlite3.Row]:
    return db.execute(
        "select g.*, s.strategy_id from tag_groups g left join strategy_groups s using (group_id)"
        " where g.group_id glob ? || '*' and (? = 0 or s.strategy_id = ?)"
        " order by g.ord desc, g.group_id",
        (kind, strategy_id, strategy_id),
    ).fetchall()


def _wanted_tags(body: dict) -> dict[str, int]:
    """Name → order; the same name twice gives one tag."""
    given = tables(body, "tag")
    if not given:
        raise Refused(40063, "tag")
    wanted = {}
    for item in given:
        name = text(item, "name", missing=40072, chars=NAME, too_long=40072)
        wanted.setdefault(name, number(item, "order", default=0))
    return wanted


def _group_to_fill(call: Call, kind: str, strategy_id: int) -> sqlite3.Row:
    """The group named by id, an existing one of that name, or a new one."""
    group_id = text(call.body, "group_id", missing=None)
    name = "" if group_id else text(call.body, "group_name", chars=NAME, too_long=40072)

    def found() -> sqlite3.Row | None:
        living = [g for g in _groups(call.db, kind, strategy_id) if not g["deleted"]]
        return next((g for g in living if group_id == g["group_id"] or name == g["name"]), None)

    group = found()
    if group is None and group_id:
        raise Refused(40068, group_id)
    if group is None:
        group_id = call.sandbox.new_id(kind)
        call.db.execute(
            "insert into tag_groups (group_id, name, create_time, ord, app) values (?,?,?,?,?)",
            (group_id, name, int(call.now), number(call.body, "order", default=0), call.app),
        )
        if strategy_id:
            call.db.execute("insert into strategy_groups values (?, ?)", (group_id, strategy_id))
        group = found()
    return group


def _refuse_twin(call: Call, kind: str, group_id: str, name: str, key: str) -> None:
    twin = call.db.execute(
        "select 1 from tags where ? = 'tag' and group_id = ? and name = ? and tag_id <> ?"
        " and not deleted union all select 1 from tag_groups where ? = 'group' and name = ?"
        " and group_id <> ? and not deleted",
        (kind, group_id, name, key, kind, name, key),
    ).fetchone()
    if name and twin:
        raise Refused(40071, name)


def _own(call: Call, thing: sqlite3.Row) -> None:
    """Only the app that made a tag may change it; those of the console belong to nobody."""
    if thing["app"] != call.app:
        raise Refused(301002)


def _group_json(group: sqlite3.Row, tags: list[sqlite3.Row], *, with_deleted: bool = False) -> dict:
    def deleted(row: sqlite3.Row) -> dict:
        return {"deleted": bool(row["deleted"])} if with_deleted else {}

    return {
        "group_id": group["group_id"],
        "group_name": group["name"],
        "create_time": group["create_time"],
        "order": group["ord"],
        **({"strategy_id": group["strategy_id"]} if group["strategy_id"] else {}),
        **deleted(group),
        "tag": [
            {
                "id": tag["tag_id"],
                "name": tag["name"],
                "create_time": tag["create_time"],
                "order": tag["ord"],
                **deleted(tag),
            }
            for tag in tags
        ],
    }
