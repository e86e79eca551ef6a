"""Join ways: codes that lead into customer groups (reference, 4.2)."""

import sqlite3

from . import shelf
from .api import Call, endpoint
from .routes_ways import JOIN_WAY, refuse_too_many
from .wire import Refused, flag, number, strings, text

MOST_GROUPS = 5
REMARK = 30


@endpoint("POST", "externalcontact/groupchat/add_join_way")
def add_join_way(call: Call) -> dict:
    """No code in the answer: that is what get is for."""
    refuse_too_many(call)
    return {"config_id": shelf.put(call, JOIN_WAY, "jcfg", _fields(call))}


@endpoint("POST", "externalcontact/groupchat/get_join_way")
def get_join_way(call: Call) -> dict:
    way = shelf.take(call, JOIN_WAY, _config_id(call), unknown=41044)
    code = f"https://wework.example/join/{way.id}"
    shown = {name: value for name, value in way.body.items() if name != "rooms"}
    return {"join_way": {"config_id": way.id, **shown, "qr_code": code}}


@endpoint("POST", "externalcontact/groupchat/update_join_way")
def update_join_way(call: Call) -> dict:
    """A full overwrite."""
    way = shelf.own(call, JOIN_WAY, _config_id(call), unknown=41044)
    shelf.change(call, way, _fields(call))
    return {}


@endpoint("POST", "externalcontact/groupchat/del_join_way")
def del_join_way(call: Call) -> dict:
    shelf.remove(call, shelf.own(call, JOIN_WAY, _config_id(call), unknown=41044))
    return {}


def _config_id(call: Call) -> str:
    return text(call.body, "config_id", missing=41043)


def _fields(call: Call) -> dict:
    body = call.body
    chats = strings(body, "chat_id_list", most=MOST_GROUPS, too_many=41091, required=True)
    for chat_id in chats:
        living_chat(call, chat_id)
    return {
        "scene": number(body, "scene", least=1, most=2),
        "remark": text(body, "remark", missing=None)[:REMARK],
        "auto_create_room": number(body, "auto_create_room", default=1, most=1),
        "room_base_name": text(body, "room_base_name", missing=None, chars=40),
        "room_base_id": number(body, "room_base_id", default=1),
        "chat_id_list": list(dict.fromkeys(chats)),
        "state": text(body, "state", missing=None, chars=30),
        "mark_source": flag(body, "mark_source", default=True),
    }


def living_chat(call: Call, chat_id: str) -> sqlite3.Row:
    """A group that exists and was not dismissed."""
    chat = call.db.execute("select * from chats where chat_id = ?", (chat_id,)).fetchone()
    if chat is None:
        raise Refused(40050, chat_id)
    if chat["dismissed_at"] is not None:
        raise Refused(49008, chat_id)
    return chat
