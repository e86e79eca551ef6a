"""Reading .xlsx: the zip is measured before it is opened, entities in its XML are refused.

openpyxl's read-only mode streams the first sheet; it holds all shared texts in memory, hence their
own limit. Formulas give the value that was saved with them.
"""

import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError

import openpyxl
from defusedxml import DefusedXmlException
from django.utils.translation import gettext as _
from openpyxl.utils.exceptions import InvalidFileException

from crm.imports import limits
from crm.imports.refusals import FileRefused

# What a damaged workbook raises, wherever in it the damage is.
_DAMAGE = (
    ArithmeticError,
    AttributeError,
    DefusedXmlException,
    EOFError,
    InvalidFileException,
    LookupError,
    NotImplementedError,
    OSError,
    ParseError,
    RuntimeError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)

Opened = tuple[Iterator[tuple[int, Sequence[Any]]], int, Callable[[], int]]


@contextmanager
def open_workbook(file: BinaryIO, size: int) -> Iterator[Opened]:
    """Rows of the first sheet, how many it claims to have, and how far reading is."""
    if size > limits.MAX_XLSX_BYTES:
        raise FileRefused(
            _("Excel 文件超过 %(limit)s MB：请另存为 CSV 再导入")
            % {"limit": limits.MAX_XLSX_BYTES >> 20}
        )
    _measure(file)
    file.seek(0)
    with _damage_refused():
        book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
    try:
        with _damage_refused():
            sheet = book.worksheets[0]
            claimed = sheet.max_row or 0
            # Some programs write a wrong size into the file; all rows are read in any case.
            sheet.reset_dimensions()
        reading = _Reading(sheet)
        yield reading.rows(), claimed, lambda: reading.number
    finally:
        book.close()


class _Reading:
    """The rows of a sheet, with the number of the last one read."""

    def __init__(self, sheet: Any) -> None:
        self._sheet = sheet
        self.number = 0

    def rows(self) -> Iterator[tuple[int, Sequence[Any]]]:
        rows = iter(self._sheet.iter_rows(values_only=True))
        while True:
            with _damage_refused():
                cells = next(rows, None)
            if cells is None:
                return
            self.number += 1
            if self.number > limits.MAX_SHEET_ROWS:
                raise FileRefused(_damaged())
            yield self.number, [_whole(cell) for cell in cells[: limits.MAX_COLUMNS + 1]]


def _whole(cell: Any) -> Any:
    # A date that Excel keeps as a fraction of a day comes back with noise below the second.
    if isinstance(cell, datetime) and cell.microsecond:
        return (cell + timedelta(microseconds=500_000)).replace(microsecond=0)
    return cell


def _measure(file: BinaryIO) -> None:
    """Refuse archives that would unpack to more than a table needs."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as damage:
        raise FileRefused(_damaged()) from damage
    unpacked = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries) or 1
    strings = sum(e.file_size for e in entries if e.filename.lower().endswith("strings.xml"))
    if not any(entry.filename == "[Content_Types].xml" for entry in entries):
        raise FileRefused(_("这是压缩包，不是 Excel 文件：请先解压"))
    if (
        len(entries) > limits.MAX_ENTRIES
        or unpacked > limits.MAX_UNPACKED
        or strings > limits.MAX_STRINGS
        or (unpacked > limits.RATIO_MATTERS_FROM and unpacked > limits.MAX_RATIO * packed)
    ):
        raise FileRefused(_("Excel 文件解压后过大：请另存为 CSV 再导入"))


@contextmanager
def _damage_refused() -> Iterator[None]:
    try:
        yield
    except _DAMAGE as damage:
        raise FileRefused(_damaged()) from damage


def _damaged() -> str:
    return _("Excel 文件已损坏或加了密码：请重新保存后再试")
