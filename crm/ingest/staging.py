"""The temporary tables that rows wait in: filled by COPY, gone with the transaction."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db import connection
from psycopg import sql

from crm.ingest.kinds import RowKind
from crm.ingest.problems import KEPT, Problems

# Of kinds that keep columns which are no fields.
_EXTRA_COLUMNS = {"properties": "jsonb", "digest": "text"}
CHUNK = 10_000


def stage(kind: RowKind, columns: Sequence[str], rows: Iterable[tuple]) -> int:
    """Copy parsed rows into a fresh table ``staged``; returns how many there are."""
    types = {field.name: field.column for field in kind.fields}
    types |= _EXTRA_COLUMNS if kind.keeps_extras else {}
    declared = ", ".join(f"{name} {column}" for name, column in types.items())
    renew("staged", f"line integer, {declared}")
    names = ", ".join(["line", *columns])
    staged = 0
    with (
        connection.cursor() as cursor,
        cursor.copy(f"copy staged ({names}) from stdin") as copy,
    ):
        for row in rows:
            copy.write_row(row)
            staged += 1
    run("analyze staged")
    return staged


def renew(table: str, columns: str) -> None:
    """An empty temporary table, also where an earlier one of this transaction stands."""
    run(f"drop table if exists pg_temp.{table}")
    run(f"create temporary table {table} ({columns}) on commit drop")


def renew_from(table: str, select: str, params: dict[str, Any] | None = None) -> None:
    """A temporary table with the rows of a query, analysed for the planner."""
    run(f"drop table if exists pg_temp.{table}")
    run(f"create temporary table {table} on commit drop as {select}", params)
    run(f"analyze {table}")


def run(statement: str | sql.Composable, params: dict[str, Any] | None = None) -> int:
    """One statement; returns the rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return cursor.rowcount


def fetch(statement: str | sql.Composable, params: dict[str, Any] | None = None) -> list[tuple]:
    """All rows of a small answer."""
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return cursor.fetchall()


def chunks(statement: str) -> Iterator[list[tuple]]:
    """Rows of a large answer, some thousands at a time."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement)
        while chunk := cursor.fetchmany(CHUNK):
            yield chunk


def find_problems(
    problems: Problems, select: str, *, field: str, code: str, params: Sequence[str] = ()
) -> None:
    """Add a problem for each row of a query of ``line, value, *params``, in order of lines."""
    listed = "select * from ({}) as found order by line limit {}"
    found = fetch(sql.SQL(listed).format(sql.SQL(select), sql.Literal(KEPT)))
    for line, value, *rest in found:
        problems.add(line, field, value, code, **dict(zip(params, rest, strict=True)))
    if len(found) == KEPT:
        counted = sql.SQL("select count(*) from ({}) as found").format(sql.SQL(select))
        [(total,)] = fetch(counted)
        problems.count += total - KEPT
