"""What every answer has in common: the envelope, the error texts, parameter checks."""

import secrets
import time
from typing import Any

from .errors import TEXTS


class Refused(Exception):
    """A business error: HTTP 200 with this errcode."""

    def __init__(self, errcode: int, detail: str = ""):
        super().__init__(f"{errcode} {detail}")
        self.errcode = errcode
        self.detail = detail


def success(**fields: Any) -> dict[str, Any]:
    return {"errcode": 0, "errmsg": "ok", **fields}


def refusal(errcode: int, detail: str = "", *, ip: str = "127.0.0.1") -> dict[str, Any]:
    """The envelope of an error, with the hint, the caller's address and the look-up link."""
    text = TEXTS.get(errcode, "api error")
    if detail:
        text = f"{text}: {detail}"
    hint = f"{int(time.time())}_{secrets.randbelow(900) + 100}_{secrets.token_hex(16)}"
    link = f"https://open.work.weixin.qq.com/devtool/query?e={errcode}"
    return {
        "errcode": errcode,
        "errmsg": f"{text}, hint: [{hint}], from ip: {ip}, more info at {link}",
    }


def text(
    body: dict,
    name: str,
    *,
    missing: int | None = 40063,
    chars: int | None = None,
    octets: int | None = None,
    too_long: int = 40058,
) -> str:
    """A string parameter. `missing=None` makes it optional; limits count characters or bytes."""
    value = body.get(name)
    if value is None or value == "":
        if missing is None:
            return ""
        raise Refused(missing, name)
    if not isinstance(value, str):
        raise Refused(40058, f"invalid Request Parameter `{name}` not a string")
    if chars is not None and len(value) > chars:
        raise Refused(too_long, f"`{name}` exceed max length {chars}")
    if octets is not None and len(value.encode()) > octets:
        raise Refused(too_long, f"`{name}` exceed max bytes {octets}")
    return value


def number(
    body: dict,
    name: str,
    *,
    default: int | None = None,
    least: int = 0,
    most: int = 2**32 - 1,
) -> int:
    """An integer parameter inside a range; without a default it is required."""
    value = body.get(name)
    if value is None:
        if default is None:
            raise Refused(40058, f"missing `{name}`")
        return default
    if isinstance(value, str) and value.removeprefix("-").isdecimal() and len(value) < 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refused(40058, f"invalid Request Parameter `{name}` not an integer")
    if not least <= value <= most:
        raise Refused(40058, f"`{name}` out of range {least}..{most}")
    return value


def limit(body: dict, *, default: int, most: int) -> int:
    """A page size; where the platform takes larger ones as the largest."""
    return min(number(body, "limit", default=default), most) or default


def strings(
    body: dict, name: str, *, most: int, too_many: int = 40058, required: bool = False
) -> list[str]:
    """A list of ids under its cap."""
    value = body.get(name)
    if value is None:
        value = []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Refused(40058, f"invalid Request Parameter `{name}` not a list of strings")
    if required and not value:
        raise Refused(40063, name)
    if len(value) > most:
        raise Refused(too_many, f"`{name}` exceed max size {most}")
    return value


def integers(body: dict, name: str, *, most: int) -> list[int]:
    """A list of department ids under its cap."""
    value = body.get(name)
    if value is None:
        value = []
    if not isinstance(value, list) or not all(type(item) is int for item in value):
        raise Refused(40066, name)
    if len(value) > most:
        raise Refused(40058, f"`{name}` exceed max size {most}")
    return value


def tables(body: dict, name: str) -> list[dict[str, Any]]:
    """A list of objects, such as attachments with their `msgtype`."""
    value = body.get(name)
    if value is None:
        value = []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Refused(40058, f"invalid Request Parameter `{name}` not a list of objects")
    return value


def table(body: dict, name: str) -> dict[str, Any]:
    """An object parameter, empty when absent."""
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refused(40058, f"invalid Request Parameter `{name}` not an object")
    return value


def flag(body: dict, name: str, *, default: bool) -> bool:
    """A boolean parameter; 0 and 1 are taken for it, too."""
    value = body.get(name)
    if value is None:
        return default
    if value not in (True, False):
        raise Refused(40058, f"invalid Request Parameter `{name}` not a boolean")
    return bool(value)
