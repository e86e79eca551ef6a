"""One parser per sort of value: what people and programs write, made exact.

Every parser takes a raw value (text of a CSV cell, a typed xlsx cell, a JSON value) and returns the
value, ``None`` for an empty one, or raises BadCell. They run for every cell of a million rows, so
each tries the common spelling first.
"""

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from crm.ingest.problems import BadCell
from crm.shared.text import clean_text
from crm.shared.times import corp_zone

MAX_CENTS = 10**15
FIRST_YEAR, LAST_YEAR = 1900, 2199
_NOTHING = {"nan", "null", "none", "nat", "n/a", "\\n", "-", "—", "--"}
_EXCEL_ERRORS = {"#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!"}
# How spreadsheets and shop consoles keep digits as text: ="123", '123.
_KEPT_AS_TEXT = re.compile(r"^=\"(?P<quoted>[^\"]*)\"$|^'(?P<after>[=+\-@＝＋－＠0-9].*)$", re.S)
_ABBREVIATED = re.compile(r"^[0-9](\.[0-9]+)?[eE]\+[0-9]+$")
_PLAIN_AMOUNT = re.compile(r"^[0-9]{1,12}(?:\.([0-9]{1,2}))?$")
_AMOUNT = re.compile(
    r"^(?P<minus>[-(]?)\s*\+?(?:[¥$]|CNY|RMB)?\s*(?P<sign>-?)"
    r"(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]*)(?:\.(?P<part>[0-9]*))?\s*(?:元|CNY|RMB)?\)?$",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"^(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?"
    r"(?:[T\s]*(上午|下午|AM|PM)?\s*(\d{1,2})[:时](\d{1,2})(?:[:分](\d{1,2})(?:\.\d+)?)?[秒分]?"
    r"\s*(AM|PM)?)?\s*(Z|UTC|[+-]\d{2}:?\d{2})?$",
    re.IGNORECASE,
)
_SERIAL = re.compile(r"^[1-9]\d{4}(?:\.\d+)?$")
_PHONE = re.compile(r"^\+?[0-9]{5,20}$")
_PHONE_NOISE = re.compile(r"[\s\-().·]")
_EXCEL_EPOCH = datetime(1899, 12, 30, tzinfo=UTC)
_CURRENCIES = {"人民币": "CNY", "元": "CNY", "RMB": "CNY", "¥": "CNY", "美元": "USD", "港币": "HKD"}
_STATUS_WORDS = {
    "paid": "paid payed 已付款 已支付 支付成功 付款成功 已付 待出行 待发货 已发货 已确认 待确认",
    "completed": "completed complete done finished 已完成 完成 交易成功 交易完成 已出行 已结束",
    "refunded": "refunded refund 已退款 退款 退款成功 全额退款 已退",
    "cancelled": "cancelled canceled cancel closed 已取消 取消 已关闭 交易关闭 已作废 未付款关闭",
    "pending": "pending unpaid created new 待付款 待支付 未付款 未支付 待付 已下单",
}
_STATUSES = {word: code for code, words in _STATUS_WORDS.items() for word in words.split()}


def text(raw: Any) -> str:
    """A value as clean text, whatever a reader made of it; empty for nothing."""
    if type(raw) is not str:
        raw = _as_text(raw)
    value = raw.strip() if raw.isascii() and "\x00" not in raw else clean_text(raw)
    if value[:1] in ("=", "'", "#"):
        if value in _EXCEL_ERRORS:
            raise BadCell("excel_error")
        if match := _KEPT_AS_TEXT.match(value):
            value = (match["quoted"] if match["quoted"] is not None else match["after"]).strip()
    return value


def _as_text(raw: Any) -> str:
    if raw is None:
        return ""
    if isinstance(raw, bool):
        raise BadCell("wrong_type")
    if isinstance(raw, int):
        return str(raw) if abs(raw) < 10**30 else _too_large()
    if isinstance(raw, float):
        if raw != raw or raw in (float("inf"), float("-inf")):
            raise BadCell("wrong_type")
        # A spreadsheet keeps 15 digits; what lies beyond is noise of its arithmetic.
        return str(int(raw)) if raw == int(raw) and abs(raw) < 10**15 else f"{raw:.15g}"
    if isinstance(raw, datetime):
        return raw.isoformat(sep=" ")
    if isinstance(raw, date | time):
        return raw.isoformat()
    raise BadCell("wrong_type")


def _too_large() -> str:
    raise BadCell("too_large")


def words(limit: int) -> Callable[[Any], str | None]:
    """A parser of free text up to ``limit`` characters."""

    def parse(raw: Any) -> str | None:
        value = text(raw)
        if not value or value.lower() in _NOTHING:
            return None
        return _bounded(value, limit)

    return parse


def name(raw: Any) -> str | None:
    """A person's or product's name: anything goes, "None" too."""
    value = text(raw)
    return _bounded(value, 128) if value else None


def identifier(limit: int) -> Callable[[Any], str | None]:
    """A parser of the numbers and ids by which other systems name their rows."""

    def parse(raw: Any) -> str | None:
        value = text(raw)
        if not value or value.lower() in _NOTHING:
            return None
        if _ABBREVIATED.match(value):
            raise BadCell("abbreviated")
        return _bounded(value, limit)

    return parse


def _bounded(value: str, limit: int) -> str:
    if len(value) > limit:
        raise BadCell("too_long", limit=limit)
    return value


def _compat(value: str) -> str:
    """Full-width digits and signs as the plain ones."""
    return value if value.isascii() else unicodedata.normalize("NFKC", value).strip()


def amount(raw: Any) -> int | None:
    """Cents, exactly: ``1,234.50``, ``¥1234.5``, ``１２３４``; no float takes part."""
    value = text(raw)
    if plain := _PLAIN_AMOUNT.match(value):
        part = plain[1] or ""
        return int(value[: len(value) - len(part)].rstrip(".")) * 100 + int(part.ljust(2, "0"))
    if not value or value.lower() in _NOTHING:
        return None
    match = _AMOUNT.match(_compat(value))
    if match is None or not (match["whole"] or match["part"]):
        raise BadCell("not_an_amount")
    part = (match["part"] or "").rstrip("0")
    if len(part) > 2:
        raise BadCell("too_precise")
    cents = int((match["whole"] or "0").replace(",", "")[:20]) * 100 + int(part.ljust(2, "0"))
    if (match["minus"] or match["sign"]) and cents:
        raise BadCell("negative")
    if cents > MAX_CENTS:
        raise BadCell("too_large")
    return cents


def instant(raw: Any) -> datetime | None:
    """An instant; what names no zone is wall time of the corporation."""
    value = _moment(raw)
    if value is None:
        return None
    if not FIRST_YEAR < value.year < LAST_YEAR:
        raise BadCell("time_out_of_range")
    return (value if value.tzinfo else value.replace(tzinfo=corp_zone())).astimezone(UTC)


def day(raw: Any) -> date | None:
    """A calendar day of the corporation."""
    value = _moment(raw)
    if value is None:
        return None
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise BadCell("time_out_of_range")
    return value.astimezone(corp_zone()).date() if value.tzinfo else value.date()


def _moment(raw: Any) -> datetime | None:
    """A datetime, naive where the value names no zone."""
    if isinstance(raw, datetime):
        return raw
    if isinstance(raw, date):
        return datetime.combine(raw, time.min)
    value = text(raw)
    if not value or value.lower() in _NOTHING:
        return None
    try:
        if not value.isdigit() and value[4:5] == "-":
            return datetime.fromisoformat(value)
    except ValueError:
        pass  # Not ISO: the patient reader below decides.
    return _patient_moment(_compat(value))


def _patient_moment(value: str) -> datetime:
    try:
        if value.isascii() and value.isdigit() and len(value) != 5:
            return _from_digits(value)
        if _SERIAL.match(value):
            return _from_serial(value)
        if match := _DATE.match(value):
            return _from_parts(match)
    except (ValueError, OverflowError, OSError):
        raise BadCell("not_a_time") from None
    raise BadCell("not_a_time")


def _from_serial(value: str) -> datetime:
    """Days since Excel's epoch; Excel knows no zone."""
    seconds = round(float(value) * 86_400)
    return (_EXCEL_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None)


def _from_digits(value: str) -> datetime:
    """20261103, 202611030905, 20261103090500, or Unix time in seconds or milliseconds."""
    if len(value) in (8, 12, 14):
        return datetime.fromisoformat(f"{value[:8]}T{value[8:]}" if value[8:] else value)
    if len(value) in (10, 13):
        return datetime.fromtimestamp(int(value[:10]), UTC)
    raise ValueError(value)


def _from_parts(match: re.Match) -> datetime:
    year, month, of_month, before, hour, minute, second, after, zone = match.groups()
    half = {"上午": "AM", "下午": "PM"}.get(before or "", (before or after or "").upper())
    hours = int(hour or 0)
    if half == "PM" and hours < 12:
        hours += 12
    elif half == "AM" and hours == 12:
        hours = 0
    wall = f"{year}-{int(month):02d}-{int(of_month):02d}"
    wall += f"T{hours:02d}:{int(minute or 0):02d}:{int(second or 0):02d}"
    if zone is not None:
        wall += "+00:00" if zone.upper() in ("Z", "UTC") else zone
    return datetime.fromisoformat(wall)


def phone(raw: Any) -> str | None:
    """Digits with an optional country code; blanks and dashes go."""
    value = _PHONE_NOISE.sub("", _compat(text(raw)).removesuffix(".0"))
    if not value or value.lower() in _NOTHING:
        return None
    if _ABBREVIATED.match(text(raw)):
        raise BadCell("abbreviated")
    if not _PHONE.match(value):
        raise BadCell("not_a_phone")
    return value


def currency(raw: Any) -> str | None:
    value = _compat(text(raw)).upper()
    if not value or value.lower() in _NOTHING:
        return None
    code = _CURRENCIES.get(value, value)
    if not (len(code) == 3 and code.isascii() and code.isalpha()):
        raise BadCell("not_a_currency")
    return code


def order_status(raw: Any) -> str | None:
    """paid, completed, refunded, cancelled or pending, from any of their usual words."""
    value = text(raw)
    if value in _STATUSES:
        return _STATUSES[value]
    if not value:
        return None
    try:
        return _STATUSES[_compat(value).lower()]
    except KeyError:
        raise BadCell("unknown_status") from None


def count(low: int, high: int) -> Callable[[Any], int | None]:
    """A parser of whole numbers between two bounds."""

    def parse(raw: Any) -> int | None:
        value = _compat(text(raw)).removesuffix("天").removesuffix(".0").strip()
        if not value:
            return None
        if not (value.isascii() and value.isdigit() and len(value) < 9):
            raise BadCell("not_a_count", low=low, high=high)
        number = int(value)
        if not low <= number <= high:
            raise BadCell("not_a_count", low=low, high=high)
        return number

    return parse


def labels(raw: Any) -> list[str] | None:
    """Several short words in one cell, or a JSON list of them."""
    parts = raw if isinstance(raw, list) else re.split(r"[,，;；、|/]", text(raw))
    found = [_bounded(value, 32) for part in parts[:50] if (value := text(part))]
    return list(dict.fromkeys(found))[:20] or None
