"""What of a request or an answer may stand in a log: its shape, never its words.

The list says what is harmless; everything else is hidden, so that a field which WeCom invents
tomorrow is hidden, too. Ids are shortened: enough to compare two lines, too little to look up.
"""

import re
from typing import Any

PLAIN = frozenset(
    {"errcode", "limit", "offset", "next_offset", "total", "page_id", "page_size", "is_last"}
    | {"status", "type", "msgtype", "chat_type", "filter_type", "create_type", "publish_status"}
    | {"media_type", "attachment_type", "scene", "need_name", "status_filter", "allow_select"}
    | {"start_time", "end_time", "day_begin_time", "day_end_time", "create_time", "created_at"}
    | {"send_time", "stat_time", "createtime", "expires_in", "agentid", "order", "order_by"}
    | {"add_way", "skip_verify", "is_exclusive", "is_temp", "intercept_type", "department_id"}
)
SECRET = frozenset(
    {"access_token", "corpsecret", "welcome_code", "cursor", "next_cursor", "ticket", "code"}
    | {"user_ticket", "chat_key", "response_code"}
)
IDS = re.compile(r"(id|ids|id_list|user_list|user|touser|owner|creator|sender|(add|remove)_tag)$")
SHOWN_OF_LIST = 2
DEEPEST = 4
_HINT = re.compile(r"hint: \[([0-9A-Za-z_]+)\]")


def shape(value: Any, name: str = "", depth: int = 0) -> Any:
    """A value of the wire as it may be logged."""
    if isinstance(value, dict):
        if depth >= DEEPEST:
            return "{…}"
        return {key: shape(inner, str(key), depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        shown = [shape(inner, name, depth + 1) for inner in value[:SHOWN_OF_LIST]]
        return shown if len(value) <= SHOWN_OF_LIST else [*shown, f"… {len(value)}"]
    if isinstance(value, bool) or value is None or (name in PLAIN and _is_plain(value)):
        return value
    if name in SECRET:
        return "***" if value else ""
    if isinstance(value, bytes):
        return f"<{len(value)} B>"
    text = str(value)
    if isinstance(value, str) and IDS.search(name) and _is_id(text):
        return shortened(text)
    return f"<{len(text)}>"


def shortened(key: str) -> str:
    """``wmCK…4711``: the ends of an id, or its length alone where it is short."""
    return f"{key[:4]}…{key[-4:]}" if len(key) >= 16 else f"<{len(key)}>"


def hint_of(errmsg: str) -> str:
    """The number by which WeCom's look-up page finds a call; the rest may quote what we sent."""
    found = _HINT.search(errmsg)
    return found[1] if found else ""


def _is_plain(value: Any) -> bool:
    """A number or a short word; a sentence under a harmless name stays hidden."""
    if isinstance(value, str):
        return len(value) <= 20 and value.isascii() and not re.search(r"\d{11}", value)
    return isinstance(value, int | float)


def _is_id(text: str) -> bool:
    return text.isascii() and not any(mark in text for mark in " @\n") and not text.isdecimal()
