"""Everybody who was served, customers and people who only met a member in a group (2.1)."""

import sqlite3

from .api import Call, endpoint
from .wire import limit


@endpoint("POST", "externalcontact/contact_list")
def served_list(call: Call) -> dict:
    """One row for each member who serves somebody, one for each group of the others."""
    size = limit(call.body, default=1000, most=1000)
    position, following = call.paged("served")
    found = call.db.execute(
        "select * from (select r.external_userid, r.userid, '' as chat_id, '' as chat_name,"
        "  r.createtime as at, 1 as is_customer from listed r join members m using (userid)"
        "  where m.visible"
        " union all select x.member, c.owner, c.chat_id, c.name, x.join_time, 0"
        "  from chat_members x join chats c using (chat_id) where x.type = 2"
        "  and c.dismissed_at is null"
        "  and not exists (select 1 from listed l where l.external_userid = x.member)) served"
        " join contacts using (external_userid)"
        " where (external_userid, userid, chat_id) > (?, ?, ?)"
        " order by external_userid, userid, chat_id limit ?",
        (*(position or ("", "", "")), size + 1),
    ).fetchall()
    page = found[:size]
    last = None
    if len(found) > size:
        last = [page[-1]["external_userid"], page[-1]["userid"], page[-1]["chat_id"]]
    return {"info_list": [_json(row) for row in page], "next_cursor": following(last)}


def _json(row: sqlite3.Row) -> dict:
    """Customers by id; others under a temporary one, their names masked."""
    served = {
        "is_customer": bool(row["is_customer"]),
        "tmp_openid": f"tmp{row['external_userid'][2:]}",
        "follow_userid": row["userid"],
        "add_time": row["at"],
    }
    if row["is_customer"]:
        return served | {"external_userid": row["external_userid"], "name": row["name"]}
    masked = f"{row['name'][:1]}**"
    return served | {"name": masked, "chat_id": row["chat_id"], "chat_name": row["chat_name"]}
