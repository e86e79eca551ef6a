"""Reading facts out of PostgreSQL into arrays, by binary COPY.

A column comes as one value, the bytes of an array: rows of their own cost a message of the protocol
and a turn of Python each, which is more than what they say. Only what may not fit into memory comes
row by row; these have a fixed length because nulls become 0.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from django.db import connection
from psycopg import sql

from analytics.events.columns import Events

DIMENSIONS = ("agent", "channel")
# PostgreSQL counts microseconds from 2000-01-01.
_ORIGIN = datetime(2000, 1, 1, tzinfo=UTC)
_EPOCH = int(_ORIGIN.timestamp()) * 1_000_000
_HEADER = 19  # signature, flags and the length of an empty extension
_BLOCK = 1 << 20

# What four bytes of seconds can hold; the importer and the API refuse other dates.
IN_RANGE = "at >= '1970-01-01Z' and at < '2106-02-07Z'"
_SELECT = """
select id, customer_id, at, kind_id::bigint, coalesce(agent_id, 0), coalesce(channel_id, 0),
       recorded_at
from crm_fact
where {where} and {in_range}
order by {order}
"""
# A range of pages is read by TID; one statement sees one state of the table.
_LYING = """
copy (
    select lying.* from generate_series(
        0, pg_relation_size('crm_fact') / current_setting('block_size')::int, {pages}
    ) as low, lateral (
        select {columns}, max(recorded_at)
        from crm_fact
        where ctid >= format('(%%s,0)', low)::tid and ctid < format('(%%s,0)', low + {pages})::tid
          and id <= %s and {in_range}
    ) as lying
) to stdout (format binary)
"""
_PAGES = 8_192
# How each column is sent, and what that is to us.
_SENT = {
    "id": ("int8send(id)", ">i8"),
    "customer": ("int8send(customer_id)", ">i8"),
    "at": ("timestamptz_send(at)", ">i8"),
    "kind": ("int2send(kind_id)", ">i2"),
    "agent": ("int8send(coalesce(agent_id, 0))", ">i8"),
    "channel": ("int8send(coalesce(channel_id, 0))", ">i8"),
}
_COLUMNS = ("id", "customer", "at", "kind", "agent", "channel", "recorded")


@dataclass(frozen=True)
class Block:
    """Events, the ids of their facts and when the newest of them was recorded."""

    events: Events
    ids: np.ndarray
    recorded_at: datetime


@dataclass(frozen=True)
class Raw:
    """Facts in no order, column by column as the database sent them."""

    columns: dict[str, np.ndarray]
    recorded_at: datetime

    def column(self, name: str) -> np.ndarray:
        """Ids, or microseconds since 1970 for `at`, as numbers of this machine."""
        found = self.columns[name].astype(self.columns[name].dtype.newbyteorder("="))
        return found + _EPOCH if name == "at" else found


def _row_type(columns: tuple[str, ...]) -> np.dtype:
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for name in columns:
        fields += [(f"{name}_size", ">i4"), (name, ">i8")]
    return np.dtype(fields)


def facts_up_to(upto: int, low: int, high: int) -> Block | None:
    """Facts with id <= upto of customers low <= id < high, by (customer, time, id)."""
    where = sql.SQL("id <= {} and customer_id >= {} and customer_id < {}")
    return _facts(where.format(upto, low, high), "customer_id, at, id")


def facts_as_they_lie(upto: int) -> Iterator[Raw]:
    """Every fact with id <= upto, some hundred thousand at a time, in the order of the table."""
    sent = ", ".join(f"string_agg({sender}, '')" for sender, _type in _SENT.values())
    statement = _LYING.format(pages=_PAGES, columns=sent, in_range=IN_RANGE)
    with connection.cursor() as cursor, cursor.copy(statement, (upto,)) as stream:
        skipped = _HEADER
        for message in stream:
            values = _values(bytes(message)[skipped:])
            skipped = 0
            # Pages without facts say nothing, and so does the end.
            if values and values[-1] is not None:
                columns = {
                    name: np.frombuffer(value, dtype)
                    for (name, (_sender, dtype)), value in zip(_SENT.items(), values, strict=False)
                }
                micros = int(np.frombuffer(values[-1], ">i8")[0])
                yield Raw(columns, _ORIGIN + timedelta(microseconds=micros))


def _values(row: bytes) -> list[memoryview | None]:
    """The values of one row of binary COPY, None for null; none at all at the end."""
    view, at, values = memoryview(row), 2, []
    for _field in range(max(0, int.from_bytes(row[:2], "big", signed=True))):
        size = int.from_bytes(view[at : at + 4], "big", signed=True)
        at += 4
        values.append(view[at : at + size] if size >= 0 else None)
        at += max(0, size)
    return values


def facts_after(upto: int) -> Block | None:
    """Facts recorded after a snapshot, in order of recording; None where there are none."""
    return _facts(sql.SQL("id > {}").format(upto), "id")


def _facts(where: sql.Composable, order: str) -> Block | None:
    query = sql.SQL(_SELECT).format(where=where, order=sql.SQL(order), in_range=sql.SQL(IN_RANGE))
    found = numbers(query, *_COLUMNS, times=("at", "recorded"))
    return _block(found) if len(found["id"]) else None


def joined(events: list[Events]) -> Events:
    """Events one after the other."""
    return Events(
        np.concatenate([some.customers for some in events]),
        np.concatenate([some.at_micros for some in events]),
        np.concatenate([some.kinds for some in events]),
        {
            name: np.concatenate([some.dimensions[name] for some in events])
            for name in events[0].dimensions
        },
    )


def numbers(
    query: sql.Composable, *columns: str, times: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """Columns of a query, all of them bigint (or of `times`, timestamptz) and never null.

    Times are microseconds since 2000. A column comes as one value, for which PostgreSQL has a
    gigabyte: ask for less than a hundred million rows.
    """
    sent = [
        sql.SQL("string_agg({}({}), '')").format(
            sql.SQL("timestamptz_send" if name in times else "int8send"), sql.Identifier(name)
        )
        for name in columns
    ]
    statement = sql.SQL(
        "copy (select {sent} from ({query}) as found ({names})) to stdout (format binary)"
    ).format(
        sent=sql.SQL(", ").join(sent),
        query=query,
        names=sql.SQL(", ").join(map(sql.Identifier, columns)),
    )
    with connection.cursor() as cursor, cursor.copy(statement) as stream:
        values, *_end = [bytes(message) for message in stream]
    found = [value or b"" for value in _values(values[_HEADER:])]
    if len({len(value) for value in found}) > 1:
        raise ValueError("a column of the query is null in some rows")
    return {
        name: np.frombuffer(value, ">i8").astype(np.int64)
        for name, value in zip(columns, found, strict=True)
    }


_ESCAPED = re.compile(r"\\(.)")
_MEANT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def texts(query: sql.Composable) -> tuple[np.ndarray, list[str]]:
    """One text column, never null: a code per row, and the text of each code; code 0 is ''."""
    codes: dict[str, int] = {"": 0}
    blocks = [np.empty(0, np.int32)]
    statement = sql.SQL("copy ({}) to stdout").format(query)
    with connection.cursor() as cursor, cursor.copy(statement) as stream:
        rest = b""
        for message in stream:
            *lines, rest = (rest + bytes(message)).split(b"\n")
            found = [codes.setdefault(line.decode(), len(codes)) for line in lines]
            blocks.append(np.array(found, np.int32))
    return np.concatenate(blocks), [_unescaped(text) for text in codes]


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: _MEANT.get(found[1], found[1]), text)


def blocks_of(select: sql.Composable) -> Iterator[Block]:
    """Rows of a query with the columns of `_SELECT`, in blocks: for more than fits into memory."""
    statement = sql.SQL("copy ({}) to stdout (format binary)").format(select)
    for rows in _copy(statement, _row_type(_COLUMNS)):
        yield _block({name: rows[name].astype(np.int64) for name in _COLUMNS})


def _block(found: Mapping[str, np.ndarray]) -> Block:
    events = Events(
        found["customer"],
        found["at"] + _EPOCH,
        found["kind"],
        {name: found[name] for name in DIMENSIONS},
    )
    recorded = timedelta(microseconds=int(found["recorded"].max()))
    return Block(events, found["id"], _ORIGIN + recorded)


def _copy(statement: sql.Composable, row_type: np.dtype) -> Iterator[np.ndarray]:
    """Whole rows in blocks of about a megabyte; the last two bytes of the stream are its end."""
    with connection.cursor() as cursor, cursor.copy(statement) as stream:
        waiting, size, skipped = [], 0, _HEADER
        for message in stream:
            data = bytes(message)
            if skipped:
                data, skipped = data[skipped:], max(0, skipped - len(data))
            waiting.append(data)
            size += len(data)
            if size >= _BLOCK:
                buffer = b"".join(waiting)
                whole = size - size % row_type.itemsize
                yield np.frombuffer(buffer[:whole], row_type)
                waiting, size = [buffer[whole:]], size - whole
        buffer = b"".join(waiting)
        whole = len(buffer) - len(buffer) % row_type.itemsize
        if whole:
            yield np.frombuffer(buffer[:whole], row_type)
