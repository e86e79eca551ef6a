"""What a field may hold: reading a value, showing it, and telling whether it fits another kind."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import override

from crm.fields.models import Field
from crm.shared.errors import DomainError
from crm.shared.formatting import day as day_words
from crm.shared.text import clean_text

Kind = Field.Kind
TEXT_CHARS, CHOSEN_AT_MOST = 200, 20
LARGEST = Decimal(10) ** 15
DECIMALS = 4


class FieldRefused(DomainError):
    """A value does not fit its field; ``field`` is the field's key."""

    code = "field_refused"


def read_value(field: Field, raw: Any) -> Any:
    """The value as it is stored, None for nothing; raises FieldRefused.

    ``raw`` may be what a form or JSON gives: a string, a number, a boolean, a list of strings.
    Numbers are stored as strings in their shortest form, so that none loses a digit.
    """
    if raw is None or raw == "" or raw == []:
        return None
    return _READERS[field.kind](field, raw)


def fits(field: Field, kind: str, options: Sequence[str], value: Any) -> bool:
    """Whether a stored value can be read as another kind without losing anything."""
    try:
        read_value(Field(key=field.key, label=field.label, kind=kind, options=list(options)), value)
    except FieldRefused:
        return False
    return True


def words(field: Field, value: Any) -> str:
    """A stored value for people."""
    if field.kind == Kind.YES_NO:
        return _("是") if value else _("否")
    if field.kind == Kind.DATE:
        return day_words(date.fromisoformat(value))
    if field.kind == Kind.CHOICES:
        return _("、").join(value)
    return str(value)


def _text(field: Field, raw: Any) -> str | None:
    if isinstance(raw, bool | list | dict):
        raise FieldRefused(_("“%(name)s”应是文字") % {"name": field.label}, field=field.key)
    text = clean_text(str(raw))
    if len(text) > TEXT_CHARS:
        words_ = _("“%(name)s”最多 %(n)s 字")
        raise FieldRefused(words_ % {"name": field.label, "n": TEXT_CHARS}, field=field.key)
    return text or None


def _number(field: Field, raw: Any) -> str:
    try:
        number = Decimal(str(raw).strip()) if not isinstance(raw, bool) else Decimal("nan")
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite() or abs(number) >= LARGEST or _decimals(number) > DECIMALS:
        words_ = _("“%(name)s”应是数字，最多 %(n)s 位小数")
        raise FieldRefused(words_ % {"name": field.label, "n": DECIMALS}, field=field.key)
    if not number:
        return "0"
    whole, _point, decimals = f"{number:f}".partition(".")
    return f"{whole}.{decimals}".rstrip("0").rstrip(".") if decimals else whole


def _decimals(number: Decimal) -> int:
    """Decimals that say something; ``normalize`` would round a number of more than 28 digits."""
    _sign, digits, exponent = number.as_tuple()
    if not number or not isinstance(exponent, int):
        return 0
    written = "".join(map(str, digits))
    return -exponent - (len(written) - len(written.rstrip("0")))


def _date(field: Field, raw: Any) -> str:
    try:
        return date.fromisoformat(str(raw).strip()).isoformat()
    except ValueError:
        words_ = _("“%(name)s”应写成 2026-11-01 这样的日期")
        raise FieldRefused(words_ % {"name": field.label}, field=field.key) from None


def _choice(field: Field, raw: Any) -> str:
    text = raw[0] if isinstance(raw, list) and len(raw) == 1 else raw
    if not isinstance(text, str) or text not in field.options:
        words_ = _("“%(name)s”没有选项“%(raw)s”，可选：%(options)s")
        shown = {"name": field.label, "raw": str(raw)[:40], "options": _("、").join(field.options)}
        raise FieldRefused(words_ % shown, field=field.key)
    return text


def _choices(field: Field, raw: Any) -> list[str]:
    wanted = raw if isinstance(raw, list) else [raw]
    chosen = {_choice(field, one) for one in wanted}
    if len(chosen) > CHOSEN_AT_MOST:
        words_ = _("“%(name)s”最多选 %(n)s 项")
        raise FieldRefused(words_ % {"name": field.label, "n": CHOSEN_AT_MOST}, field=field.key)
    return [option for option in field.options if option in chosen]


def _yes_no(field: Field, raw: Any) -> bool:
    known = {True: True, False: False, "true": True, "false": False, "yes": True, "no": False}
    # The same words in every language of the pages: files and other systems do not know it.
    with override(None):
        known |= {"1": True, "0": False, _("是"): True, _("否"): False}
    key = raw.strip().lower() if isinstance(raw, str) else raw
    if isinstance(key, bool | str) and key in known:
        return known[key]
    raise FieldRefused(_("“%(name)s”应是“是”或“否”") % {"name": field.label}, field=field.key)


_READERS = {
    Kind.TEXT: _text,
    Kind.NUMBER: _number,
    Kind.DATE: _date,
    Kind.CHOICE: _choice,
    Kind.CHOICES: _choices,
    Kind.YES_NO: _yes_no,
}
