"""From raw cells to typed rows, one by one; what does not fit goes to the problems."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from crm.ingest import cells
from crm.ingest.kinds import Field, RowKind
from crm.ingest.problems import BadCell, Problems

EVENT_NAME = re.compile(r"^[a-z0-9_.-]{1,64}$")
MAX_NEW_NAMES = 200
_MAX_DEPTH = 5
MAX_PROPERTIES = 16_000
_MAX_TEXT = 2_000


@dataclass(frozen=True)
class Layout:
    """Which cell of a raw row holds which field; the rest are properties or are left aside.

    ``properties`` is the position of a ready-made JSON object, as the API sends it.
    """

    fields: tuple[tuple[Field, int], ...]
    extras: tuple[tuple[str, int], ...] = ()
    properties: int | None = None
    width: int = 0

    @classmethod
    def of_columns(cls, kind: RowKind, names: Sequence[str | None], headers: Sequence[str]):
        """The layout of a file whose columns were matched to ``names`` (None: no field)."""
        fields = tuple(
            (known, position)
            for position, name in enumerate(names)
            if name and (known := kind.field(name))
        )
        taken = {position for _field, position in fields}
        extras = (
            (header[:64], position)
            for position, header in enumerate(headers)
            if kind.keeps_extras and position not in taken and header
        )
        return cls(fields, tuple(extras), width=len(headers))

    @classmethod
    def of_items(cls, kind: RowKind) -> "Layout":
        """The layout of API items: every field in declared order, then ``properties``."""
        fields = tuple((known, position) for position, known in enumerate(kind.fields))
        width = len(fields) + 1
        return cls(fields, properties=width - 1 if kind.keeps_extras else None, width=width)


@dataclass
class EventNames:
    """Spellings of events → codes: built-in labels in both languages, and the company's own."""

    known: Mapping[str, str]
    codes: frozenset[str]
    new: set[str] = field(default_factory=set)

    def code(self, spelling: str) -> str:
        """The code of an event name; raises BadCell where it cannot be one."""
        found = self.known.get(spelling) or self.known.get(spelling.lower())
        if found:
            return found
        code = spelling.lower()
        if not EVENT_NAME.match(code):
            raise BadCell("bad_event_name")
        if code not in self.codes and code not in self.new:
            if len(self.new) >= MAX_NEW_NAMES:
                raise BadCell("too_many_names", limit=MAX_NEW_NAMES)
            self.new.add(code)
        return code


class RowParser:
    """Turns raw rows of one kind into tuples in the order of ``columns``."""

    def __init__(
        self,
        kind: RowKind,
        layout: Layout,
        problems: Problems,
        event_names: EventNames | None = None,
    ) -> None:
        self.kind, self.layout, self.problems = kind, layout, problems
        self.event_names = event_names
        self.rows = 0
        self.columns = [known.name for known, _position in layout.fields]
        if kind.keeps_extras:
            self.columns += ["properties", "digest"]

    def parse(self, raw_rows: Iterator[tuple[int, Sequence[Any]]]) -> Iterator[tuple]:
        """Good rows as ``(line, *values)``; a bad row is left out and told."""
        for line, raw in raw_rows:
            self.rows += 1
            row = self.row(line, raw)
            if row is not None:
                yield row

    def row(self, line: int, raw: Sequence[Any]) -> tuple | None:
        """One row, or None when something in it is wrong."""
        before, width, values = self.problems.count, len(raw), {}
        for known, position in self.layout.fields:
            cell = raw[position] if position < width else None
            try:
                value = known.parse(cell)
            except BadCell as bad:
                self.problems.add(line, known.name, cell, bad.code, **bad.params)
                value = None
            else:
                if value is None and known.required:
                    self.problems.add(line, known.name, cell, "missing")
            values[known.name] = value
        if any(cell not in (None, "") for cell in raw[self.layout.width :]):
            self.problems.add(line, "", raw[self.layout.width], "surplus_cells")
        if self.problems.count == before:
            self._check(line, values, raw)
        if self.problems.count > before:
            return None
        return (line, *values.values())

    def _check(self, line: int, values: dict[str, Any], raw: Sequence[Any]) -> None:
        """What only several fields together can say."""
        if self.kind.name == "orders":
            self._check_order(line, values)
        elif self.kind.name == "events":
            self._complete_event(line, values, raw)

    def _check_order(self, line: int, values: dict[str, Any]) -> None:
        start, end = values.get("start_on"), values.get("end_on")
        if start and end and end < start:
            self.problems.add(line, "end_on", end, "end_before_start")
        paid, refunded = values.get("paid_at"), values.get("refunded_at")
        if paid and refunded and refunded < paid:
            self.problems.add(line, "refunded_at", refunded, "refund_before_payment")

    def _complete_event(self, line: int, values: dict[str, Any], raw: Sequence[Any]) -> None:
        try:
            values["event"] = self.event_names.code(values["event"])
        except BadCell as bad:
            self.problems.add(line, "event", values["event"], bad.code, **bad.params)
        try:
            properties = self._properties(raw)
        except BadCell as bad:
            self.problems.add(line, "properties", "", bad.code, **bad.params)
            properties = {}
        values["properties"] = packed = json.dumps(
            properties, ensure_ascii=False, sort_keys=True, separators=(",", ":")
        )
        if len(packed) > MAX_PROPERTIES:
            self.problems.add(line, "properties", packed, "too_long", limit=MAX_PROPERTIES)
        values["digest"] = _digest(values)

    def _properties(self, raw: Sequence[Any]) -> dict[str, Any]:
        if self.layout.properties is not None:
            given = raw[self.layout.properties]
            return {} if given is None else clean_object(given)
        width, found = len(raw), {}
        for name, position in self.layout.extras:
            cell = raw[position] if position < width else None
            if cell is not None and cell != "" and (value := _clean_value(cell, 1)) != "":
                found[name] = value
        return found


def _digest(values: Mapping[str, Any]) -> str:
    """What an event without a number of its own is known by: all that it says."""
    told = [values.get(name) for name in ("customer_id", "event", "agent_id", "group_id")]
    told += [values["at"].isoformat(), values.get("channel"), values.get("amount")]
    content = json.dumps([*told, values["properties"]], ensure_ascii=False)
    return hashlib.blake2b(content.encode(), digest_size=20).hexdigest()


def clean_object(given: Any, depth: int = 1) -> dict[str, Any]:
    if not isinstance(given, dict) or len(given) > 200:
        raise BadCell("bad_properties")
    found = {}
    for name, value in given.items():
        key = cells.text(name)
        if not key or len(key) > 64:
            raise BadCell("bad_properties")
        found[key] = _clean_value(value, depth)
    return found


def _clean_value(value: Any, depth: int) -> Any:
    """A value that PostgreSQL's jsonb can hold."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, dict | list) and depth >= _MAX_DEPTH:
        raise BadCell("bad_properties")
    if isinstance(value, dict):
        return clean_object(value, depth + 1)
    if isinstance(value, list):
        if len(value) > 200:
            raise BadCell("bad_properties")
        return [_clean_value(item, depth + 1) for item in value]
    if isinstance(value, int | float):
        cells.text(value)  # Refuses what is no finite number of a sane size.
        return value
    if isinstance(value, datetime | date):
        return value.isoformat()
    text = cells.text(value)
    if len(text) > _MAX_TEXT:
        raise BadCell("too_long", limit=_MAX_TEXT)
    return text
