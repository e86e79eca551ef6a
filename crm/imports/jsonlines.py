"""Reading JSON lines: one object a line, whose names are the columns.

The file is read twice, because a name may first occur in its last line. Row numbers are line
numbers: there is no header.
"""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from django.utils.translation import gettext as _

from crm.imports import limits
from crm.imports.refusals import FileRefused
from crm.shared.text import clean_text

_MARK = b"\xef\xbb\xbf"


def looks_like_json(start: bytes) -> bool:
    """Whether a file that begins like this holds JSON objects or a list of them."""
    return start.removeprefix(_MARK).lstrip()[:1] in (b"{", b"[")


def read(file: BinaryIO) -> tuple[list[str], Iterator[tuple[int, list[Any]]]]:
    """Names of all columns in order of appearance, and the rows; raises FileRefused."""
    names: dict[str, None] = {}
    for number, row in _objects(file):
        names.update(dict.fromkeys(row))
        if len(names) > limits.MAX_COLUMNS:
            raise FileRefused(
                _("第 %(row)s 行：属性名超过 %(limit)s 种；可变的内容请放入 properties 对象")
                % {"row": number, "limit": limits.MAX_COLUMNS}
            )
    cells = ((number, [row.get(name) for name in names]) for number, row in _objects(file))
    return [clean_text(name, limit=200) for name in names], cells


def _objects(file: BinaryIO) -> Iterator[tuple[int, dict[str, Any]]]:
    file.seek(0)
    number = 0
    while line := file.readline(limits.MAX_RECORD):
        number += 1
        text = line.removeprefix(_MARK).strip() if number == 1 else line.strip()
        if text:
            yield number, _object(text, number)


def _object(text: bytes, number: int) -> dict[str, Any]:
    try:
        found = json.loads(text.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise FileRefused(
            _("第 %(row)s 行不是 JSON：请每行写一个 {…} 对象，使用 UTF-8 编码") % {"row": number}
        ) from None
    if not isinstance(found, dict):
        raise FileRefused(
            _("第 %(row)s 行不是 JSON 对象：请每行写一个 {…}，不要写成数组") % {"row": number}
        )
    return found


def _refuse(constant: str) -> None:
    raise ValueError(constant)
