"""Opening a file as a table: what it is, how it is encoded, how its cells are separated.

Everything doubtful ends in one FileRefused that says what to do; nothing here writes.
"""

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from django.utils.translation import gettext as _

from crm.imports import jsonlines, limits, workbooks
from crm.imports.refusals import FileRefused
from crm.ingest.kinds import RowKind

_CHUNK = 4 * 1024 * 1024
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DELIMITERS = ",;\t"
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"

csv.field_size_limit(limits.MAX_RECORD)


@dataclass
class Table:
    """An opened file: its column names and its rows as (row number, cells), header being row 1."""

    headers: list[str]
    rows: Iterator[tuple[int, Sequence[Any]]]
    size: int
    encoding: str = ""
    position: Any = field(default=lambda: 0)


@contextmanager
def open_table(path: Path, kind: RowKind | None = None) -> Iterator[Table]:
    """The table in a file; raises FileRefused for what is none. Closed at the end.

    ``kind`` helps to tell the separator; without one the separator that gives most columns wins.
    """
    with path.open("rb") as file:
        start = file.read(4)
        file.seek(0)
        if not start:
            raise FileRefused(_("文件是空的"))
        if jsonlines.looks_like_json(start):
            yield _json_table(file, path.stat().st_size)
            return
        if start == _OLD_EXCEL:
            raise FileRefused(_("这是旧版 Excel 文件（.xls）：请另存为 .xlsx 或 CSV"))
        if start[:2] == b"PK":
            with workbooks.open_workbook(file, path.stat().st_size) as (rows, size, position):
                yield _table(rows, size, "xlsx", position)
        else:
            yield _csv_table(file, path.stat().st_size, kind)


def _json_table(file: BinaryIO, size: int) -> Table:
    if size > limits.MAX_CSV_BYTES:
        raise FileRefused(
            _("文件超过 %(limit)s MB：请拆成几个文件") % {"limit": limits.MAX_CSV_BYTES >> 20}
        )
    headers, rows = jsonlines.read(file)
    return _table(chain([(0, headers)], rows), size, "utf-8", file.tell)


def _csv_table(file: BinaryIO, size: int, kind: RowKind | None) -> Table:
    if size > limits.MAX_CSV_BYTES:
        raise FileRefused(
            _("文件超过 %(limit)s MB：请拆成几个文件") % {"limit": limits.MAX_CSV_BYTES >> 20}
        )
    encoding = _encoding(file)
    file.seek(0)
    lines = _Lines(io.TextIOWrapper(file, encoding, newline=""))
    delimiter = _delimiter(lines.peek(), kind)
    rows = _csv_rows(csv.reader(lines, delimiter=delimiter, strict=True))
    return _table(rows, size, encoding, file.tell)


def _encoding(file: BinaryIO) -> str:
    """UTF-8 with or without mark, UTF-16 with mark, else GB18030; the whole file must decode."""
    start = file.read(4)
    marked = next((name for mark, name in _MARKS if start.startswith(mark)), None)
    for name in [marked] if marked else ["utf-8", "gb18030"]:
        file.seek(0)
        if _decodes(file, name):
            return name
    raise FileRefused(_("无法识别文件编码：请另存为 UTF-8 或 GB18030 编码的 CSV"))


def _decodes(file: BinaryIO, name: str) -> bool:
    decoder = codecs.getincrementaldecoder(name)()
    try:
        while chunk := file.read(_CHUNK):
            text = decoder.decode(chunk)
            if "\x00" in text[:1000]:
                return False  # A picture, a PDF, a database: no text.
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return True


class _Lines:
    """Lines of a text file, none of them longer than a record may be."""

    def __init__(self, text: io.TextIOBase) -> None:
        self._text = text
        self._first: str | None = None

    def peek(self) -> str:
        self._first = self._read()
        return self._first

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line, self._first = self._first, None
        if line is None:
            line = self._read()
        if not line:
            raise StopIteration
        return line

    def _read(self) -> str:
        line = self._text.readline(limits.MAX_RECORD)
        if len(line) == limits.MAX_RECORD:
            raise FileRefused(_("有一行长得不像表格：请检查分隔符和引号"))
        return line


def _delimiter(first_line: str, kind: RowKind | None) -> str:
    """The separator under which most headers are known; more columns decide a draw."""

    def score(delimiter: str) -> tuple[int, int]:
        try:
            headers = next(csv.reader([first_line], delimiter=delimiter), [])
        except csv.Error:
            return (0, 0)
        known = kind.guess([header.strip() for header in headers]) if kind else ()
        return (len(known), len(headers))

    return max(_DELIMITERS, key=score)


def _csv_rows(reader: Any) -> Iterator[tuple[int, list[str]]]:
    number = 0
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as broken:
            raise FileRefused(
                _("第 %(row)s 行无法读取：引号没有成对，或内容过长") % {"row": number}
            ) from broken
        yield number, cells


def _table(rows: Iterator[tuple[int, Sequence[Any]]], size: int, encoding: str, position) -> Table:
    first = next(rows, None)
    headers = ["" if cell is None else str(cell).strip() for cell in first[1]] if first else []
    while headers and not headers[-1]:
        headers.pop()
    if not any(headers):
        raise FileRefused(_("第一行应为列名，但它是空的"))
    if len(headers) > limits.MAX_COLUMNS:
        raise FileRefused(_("列数超过 %(limit)s") % {"limit": limits.MAX_COLUMNS})
    headers = [header.replace("\x00", "")[:200] for header in headers]
    named = [header for header in headers if header]
    if len(set(named)) < len(named):
        twice = next(header for header in named if named.count(header) > 1)
        raise FileRefused(_("列名「%(name)s」出现了两次") % {"name": twice[:60]})
    return Table(headers, _bounded(rows), size, encoding, position)


def _bounded(rows: Iterator[tuple[int, Sequence[Any]]]) -> Iterator[tuple[int, Sequence[Any]]]:
    """Rows that hold something, as long as there are not too many and no cell is too long."""
    for number, cells in rows:
        if number > limits.MAX_ROWS + 1:
            raise FileRefused(
                _("超过 %(limit)s 行：请拆成几个文件") % {"limit": f"{limits.MAX_ROWS:,}"}
            )
        if not any(cells):
            continue
        for cell in cells:
            if isinstance(cell, str) and len(cell) > limits.MAX_CELL:
                raise FileRefused(
                    _("第 %(row)s 行有单元格超过 %(limit)s 个字符")
                    % {"row": number, "limit": limits.MAX_CELL}
                )
        yield number, cells
