"""Tables as files: one CSV dialect for every download, safe to open in a spreadsheet."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.http import FileResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import get_language, override
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

from crm.shared.times import corp_zone

# What a spreadsheet takes for the beginning of a formula, also behind blanks and zero-width signs.
_FORMULA = re.compile("^[\\s\u200b-\u200f\u2060\ufeff]*[=+\\-@\t\r\n＝＋－＠]")
_BOM = "\ufeff"
# Control characters that the format of workbooks does not have.
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")


def safe_cell(value: Any) -> Any:
    """The value as a cell: text that a spreadsheet would run gets a leading apostrophe.

    Numbers stay numbers, instants are written with the corporation's offset.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, datetime):
        return value.astimezone(corp_zone()).isoformat(sep=" ", timespec="seconds")
    if isinstance(value, str) and (_FORMULA.match(value) or value[:1] in "\t\r\n"):
        return f"'{value}" if value else value
    return value


def csv_lines(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """CSV text piece by piece, with a byte-order mark so that Excel reads it as UTF-8."""
    yield _BOM + _line(header)
    for row in rows:
        yield _line(safe_cell(value) for value in row)


def csv_response(
    filename: str, header: Iterable[str], rows: Iterable[Iterable[Any]]
) -> StreamingHttpResponse:
    """A download that is written while it is read; browsers and proxies keep no copy."""
    lines = _in_language(csv_lines(header, rows), get_language())
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{filename}"'
    response["Cache-Control"] = "no-store"
    return response


XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def sheet_response(
    name: str, header: Iterable[str], rows: Iterable[Iterable[Any]], *, kind: str = "csv"
) -> HttpResponseBase:
    """The download as CSV, or as a workbook where ``kind`` is ``xlsx``; ``name`` has no ending."""
    if kind != "xlsx":
        return csv_response(f"{name}.csv", header, rows)
    response = FileResponse(
        _workbook(header, rows), as_attachment=True, filename=f"{name}.xlsx", content_type=XLSX
    )
    response["Cache-Control"] = "no-store"
    return response


def _workbook(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> io.BytesIO:
    """A workbook of one sheet, written row by row; text stays text, whatever it looks like."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet()

    def cell(value: Any) -> Any:
        value = safe_cell(value)
        if not isinstance(value, str):
            return value
        made = WriteOnlyCell(sheet, value=_ILLEGAL.sub("", value))
        made.data_type = "s"
        return made

    sheet.append([cell(str(title)) for title in header])
    for row in rows:
        sheet.append([cell(value) for value in row])
    file = io.BytesIO()
    book.save(file)
    file.seek(0)
    return file


def _in_language(lines: Iterator[str], language: str | None) -> Iterator[str]:
    # The body is written after the middleware has put the reader's language away.
    while True:
        with override(language):
            line = next(lines, None)
        if line is None:
            return
        yield line


def _line(cells: Iterable[Any]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()
