"""Departments and members inside the app's scope (reference, 12.3).

Apps made after 2022-06-20 get no avatar, gender, mobile, e-mail or address: nor here.
"""

import json
import sqlite3

from .api import Call, endpoint
from .people import follower, member
from .store import rows
from .wire import Refused, number, text


def _department_id(call: Call, name: str, *, default: int | None = None) -> int:
    given = number(call.query, name, default=default)
    if not call.db.execute("select 1 from departments where id = ?", (given,)).fetchone():
        raise Refused(60003, str(given))
    return given


def _departments(call: Call) -> list[dict]:
    root = _department_id(call, "id", default=1)
    return rows(
        call.db.execute(
            "select d.* from departments d join department_tree t using (id)"
            " where t.root = ? order by d.id",
            (root,),
        )
    )


def _full(call: Call, department: dict) -> dict:
    leaders = call.db.execute(
        "select userid from members where department = ? and is_leader and visible order by userid",
        (department["id"],),
    )
    return {
        "id": department["id"],
        "name": department["name"],
        "name_en": department["name_en"],
        "department_leader": [row["userid"] for row in leaders],
        "parentid": department["parentid"],
        "order": department["ord"],
    }


@endpoint("GET", "department/list")
def department_list(call: Call) -> dict:
    return {"department": [_full(call, row) for row in _departments(call)]}


@endpoint("GET", "department/simplelist")
def department_simplelist(call: Call) -> dict:
    found = [
        {"id": row["id"], "parentid": row["parentid"], "order": row["ord"]}
        for row in _departments(call)
    ]
    return {"department_id": found}


@endpoint("GET", "department/get")
def department_get(call: Call) -> dict:
    wanted = _department_id(call, "id")
    return {"department": next(_full(call, d) for d in _departments(call) if d["id"] == wanted)}


def _members(call: Call) -> list[sqlite3.Row]:
    root = _department_id(call, "department_id")
    deep = call.query.get("fetch_child") == "1"
    return call.db.execute(
        "select * from members where visible and status <> 5 and (department = :root or (:deep"
        " and department in (select id from department_tree where root = :root)))"
        " order by userid",
        {"root": root, "deep": deep},
    ).fetchall()


def member_json(row: sqlite3.Row) -> dict:
    leader = [row["direct_leader"]] if row["direct_leader"] else []
    return {
        "userid": row["userid"],
        "name": row["name"],
        "department": [row["department"]],
        "order": [0],
        "position": row["position"],
        "is_leader_in_dept": [row["is_leader"]],
        "direct_leader": leader,
        "telephone": "",
        "alias": "",
        "status": row["status"],
        "open_userid": row["open_userid"],
        "main_department": row["department"],
        "extattr": {"attrs": []},
        "external_position": row["position"],
        "external_profile": {"external_corp_name": "", "external_attr": []},
    }


@endpoint("GET", "user/list")
def user_list(call: Call) -> dict:
    return {"userlist": [member_json(row) for row in _members(call)]}


@endpoint("GET", "user/simplelist")
def user_simplelist(call: Call) -> dict:
    found = [
        {
            "userid": row["userid"],
            "name": row["name"],
            "department": [row["department"]],
            "open_userid": row["open_userid"],
        }
        for row in _members(call)
    ]
    return {"userlist": found}


@endpoint("GET", "user/get")
def user_get(call: Call) -> dict:
    return member_json(member(call, text(call.query, "userid", missing=41009)))


@endpoint("POST", "user/list_id")
def user_list_id(call: Call) -> dict:
    size = number(call.body, "limit", default=10_000, least=1, most=10_000)
    position, following = call.paged("all")
    found = call.db.execute(
        "select userid, department from members where visible and status <> 5 and userid > ?"
        " order by userid limit ?",
        (position[0] if position else "", size + 1),
    ).fetchall()
    last = [found[size - 1]["userid"]] if len(found) > size else None
    return {"dept_user": rows(found[:size]), "next_cursor": following(last)}


def expand_departments(db: sqlite3.Connection, ids: list[int]) -> list[str]:
    """Userids of these departments and all below them."""
    found: set[str] = set()
    for root in ids:
        found.update(
            row["userid"]
            for row in db.execute(
                "select userid from members where visible and status = 1"
                " and department in (select id from department_tree where root = ?)",
                (root,),
            )
        )
    return sorted(found)


def known_departments(db: sqlite3.Connection, ids: list[int]) -> set[int]:
    found = db.execute(
        "select id from departments where id in (select value from json_each(?))",
        (json.dumps(ids),),
    )
    return {row["id"] for row in found}


def receivers(call: Call, userids: list[str], departments: list[int]) -> list[str]:
    """The followers named one by one and those of departments, each once."""
    for userid in userids:
        follower(call, userid)
    if known_departments(call.db, departments) != set(departments):
        raise Refused(60123)
    inside = call.db.execute(
        "select userid from members where follows and userid in (select value from json_each(?))",
        (json.dumps(expand_departments(call.db, departments)),),
    )
    return sorted({*userids, *(row["userid"] for row in inside)})
