"""Transfers of customers and groups, in service and after leaving (reference, 8.3 and 9)."""

import sqlite3

from . import transfers
from .api import Call, endpoint
from .clock import DAY, day_start
from .people import follower, member
from .wire import Refused, limit, number, refusal, strings, text

MOST_AT_ONCE = 100
DEEPEST = 50_000
GROUPS_A_DAY = 300
GROUP_TRANSFERS = 2  # In 90 calendar days, in service.
PAGE = 1000


@endpoint("POST", "externalcontact/get_unassigned_list")
def get_unassigned_list(call: Call) -> dict:
    """Pages by number or by cursor; a cursor wins."""
    transfers.settle(call.sandbox, call.db)
    size = number(call.body, "page_size", default=PAGE, least=1, most=PAGE)
    page_number = number(call.body, "page_id", default=0)
    position, following = call.paged("unassigned")
    if not call.body.get("cursor") and page_number * size >= DEEPEST:
        raise Refused(40058, "page_id * page_size; use cursor")
    offset = position[0] if position else page_number * size
    found = call.db.execute(
        "select r.userid as handover_userid, r.external_userid, l.at as dimission_time"
        " from relations r join leavers l using (userid)"
        " where not r.half and r.lost_by = '' and not exists (select 1 from transfers t"
        "  where t.handover = r.userid and t.external_userid = r.external_userid"
        "  and t.status = ?) order by l.at, r.userid, r.external_userid limit ? offset ?",
        (transfers.WAITING, size + 1, offset),
    ).fetchall()
    more = len(found) > size
    return {
        "info": [dict(row) for row in found[:size]],
        "is_last": not more,
        "next_cursor": following([offset + size] if more else None),
    }


@endpoint("POST", "externalcontact/transfer_customer")
def transfer_customer(call: Call) -> dict:
    text(call.body, "transfer_success_msg", missing=None, chars=200)
    return _transfer(call, resigned=False)


@endpoint("POST", "externalcontact/resigned/transfer_customer")
def resigned_transfer_customer(call: Call) -> dict:
    return _transfer(call, resigned=True)


@endpoint("POST", "externalcontact/transfer_result")
def transfer_result(call: Call) -> dict:
    return _results(call, resigned=False)


@endpoint("POST", "externalcontact/resigned/transfer_result")
def resigned_transfer_result(call: Call) -> dict:
    return _results(call, resigned=True)


@endpoint("POST", "externalcontact/groupchat/onjob_transfer")
def groupchat_onjob_transfer(call: Call) -> dict:
    return _transfer_groups(call, resigned=False)


@endpoint("POST", "externalcontact/groupchat/transfer")
def groupchat_transfer(call: Call) -> dict:
    return _transfer_groups(call, resigned=True)


def _pair_of_members(call: Call, *, resigned: bool) -> tuple[str, str]:
    handover = text(call.body, "handover_userid", missing=41009)
    takeover = text(call.body, "takeover_userid", missing=41009)
    giver = member(call, handover, left=True)
    if resigned and giver["status"] != 5:
        raise Refused(40097, handover)
    if not resigned:
        follower(call, handover)
    if handover == takeover:
        raise Refused(40130)
    follower(call, takeover)
    return handover, takeover


def _transfer(call: Call, *, resigned: bool) -> dict:
    """Zero means started, not done."""
    transfers.settle(call.sandbox, call.db)
    handover, takeover = _pair_of_members(call, resigned=resigned)
    wanted = strings(call.body, "external_userid", most=MOST_AT_ONCE, required=True)
    answers = []
    for external_userid in dict.fromkeys(wanted):
        errcode = _obstacle(call, handover, takeover, external_userid, resigned=resigned)
        if not errcode:
            transfers.start(
                call.sandbox, call.db, handover, takeover, external_userid, resigned=resigned
            )
            call.effect(f"transfer/{handover}/{takeover}/{external_userid}")
        answers.append({"external_userid": external_userid, "errcode": errcode})
    return {"customer": answers}


def _obstacle(
    call: Call, handover: str, takeover: str, external_userid: str, *, resigned: bool
) -> int:
    """Why this customer cannot be handed over, or 0."""
    db = call.db
    known = db.execute(
        "select 1 from contacts where external_userid = ?", (external_userid,)
    ).fetchone()
    if not known:
        return 40096
    related = db.execute(
        "select 1 from relations where userid = ? and external_userid = ? and not half"
        " and lost_by <> 'agent'",
        (handover, external_userid),
    ).fetchone()
    if not related:
        return 40131
    if transfers.running(db, external_userid):
        return 40129
    if not resigned and transfers.recent(db, external_userid, call.now) >= 2:
        return 40128
    return 40099 if transfers.is_full(call.sandbox, db, takeover) else 0


def _results(call: Call, *, resigned: bool) -> dict:
    """The latest transfer of each customer between these two."""
    transfers.settle(call.sandbox, call.db)
    handover = text(call.body, "handover_userid", missing=41009)
    takeover = text(call.body, "takeover_userid", missing=41009)
    size = limit(call.body, default=PAGE, most=PAGE)
    position, following = call.paged([handover, takeover])
    found = call.db.execute(
        "select * from transfers where id in (select max(id) from transfers where handover = ?"
        "  and takeover = ? and resigned = ? group by external_userid)"
        " and external_userid > ? order by external_userid limit ?",
        (handover, takeover, resigned, position[0] if position else "", size + 1),
    ).fetchall()
    page = found[:size]
    last = [page[-1]["external_userid"]] if len(found) > size else None
    return {"customer": [_result_json(row) for row in page], "next_cursor": following(last)}


def _result_json(row: sqlite3.Row) -> dict:
    result = {"external_userid": row["external_userid"], "status": row["status"]}
    if row["status"] == transfers.DONE:
        result["takeover_time"] = int(row["finished_at"])
    return result


def _transfer_groups(call: Call, *, resigned: bool) -> dict:
    """The envelope is ok even where every group failed."""
    wanted = strings(call.body, "chat_id_list", most=MOST_AT_ONCE, required=True)
    new_owner = follower(call, text(call.body, "new_owner", missing=41009))["userid"]
    failed = []
    for chat_id in dict.fromkeys(wanted):
        errcode = _group_obstacle(call, chat_id, new_owner, resigned=resigned)
        if errcode:
            failed.append({"chat_id": chat_id, **refusal(errcode)})
        else:
            _give_group(call, chat_id, new_owner, resigned=resigned)
    return {"failed_chat_list": failed}


def _group_obstacle(call: Call, chat_id: str, new_owner: str, *, resigned: bool) -> int:
    chat = call.db.execute("select * from chats where chat_id = ?", (chat_id,)).fetchone()
    if chat is None:
        return 40050
    if chat["dismissed_at"] is not None:
        return 49008
    if chat["owner"] == new_owner:
        return 90504
    left = call.db.execute("select 1 from leavers where userid = ?", (chat["owner"],)).fetchone()
    if bool(left) != resigned:
        return 90500 if resigned else 90502
    counted = call.db.execute(
        "select count(*) filter (where chat_id = ? and not resigned and at >= ?) as times,"
        " count(*) filter (where giver = ? and at >= ?) as today from chat_transfers",
        (chat_id, day_start(call.now) - 89 * DAY, chat["owner"], day_start(call.now)),
    ).fetchone()
    if not resigned and counted["times"] >= GROUP_TRANSFERS:
        return 90508
    return 90509 if counted["today"] >= GROUPS_A_DAY else 0


def _give_group(call: Call, chat_id: str, new_owner: str, *, resigned: bool) -> None:
    chat = call.db.execute("select owner from chats where chat_id = ?", (chat_id,)).fetchone()
    call.db.execute(
        "insert into chat_transfers values (?, ?, ?, ?, ?)",
        (chat_id, chat["owner"], new_owner, call.now, resigned),
    )
    call.db.execute(
        "update chats set owner = ?, version = ?, status = iif(?, 3, status) where chat_id = ?",
        (new_owner, call.sandbox.dice.hexadecimal(), resigned, chat_id),
    )
    call.db.execute(
        "insert or ignore into chat_members values (?, ?, 1, ?, 1, '', ?, '')",
        (chat_id, new_owner, int(call.now), chat["owner"]),
    )
    if resigned:
        call.db.execute(
            "delete from chat_members where chat_id = ? and member = ?", (chat_id, chat["owner"])
        )
    call.effect(chat_id)
