"""Where the statements go: a server or cluster over HTTP, or chDB in this process.

`CLICKHOUSE_URL` names it: `https://user:password@host:8443/changke`, or `chdb:FOLDER` for trials
and tests. chDB is no dependency of the product.
"""

import json
import os
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

from django.conf import settings
from django.utils.translation import gettext as _

from crm.shared.errors import DomainError

# One question may not take a cluster's memory from everybody else's.
LIMITS = {"max_execution_time": 120, "max_query_size": 64 << 20, "max_ast_elements": 1_000_000}


class WarehouseRefused(DomainError):
    """The second engine is not there, not loaded, or cannot say what was asked."""

    code = "warehouse_refused"


class Warehouse(Protocol):
    """What the engine needs of a ClickHouse."""

    def rows(self, statement: str) -> list[list[Any]]:
        """All rows of an answer."""

    def run(self, statement: str) -> None:
        """One statement that answers nothing."""

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Append rows, all in one block: all of them or none."""


def warehouse() -> Warehouse:
    """The configured ClickHouse; raises WarehouseRefused where there is none."""
    url = settings.CLICKHOUSE_URL
    if not url:
        raise WarehouseRefused(
            _("没有配置 ClickHouse：请设置 CLICKHOUSE_URL，或使用 columns 引擎"), field="engine"
        )
    return _opened(url, os.getpid())


@lru_cache(maxsize=4)
def _opened(url: str, _pid: int) -> Warehouse:
    """One per process: a connection does not survive a fork."""
    if url.startswith("chdb:"):
        return Embedded(url.removeprefix("chdb:"))
    return Server(url)


class Server:
    """A server or cluster, by clickhouse-connect."""

    def __init__(self, url: str) -> None:
        connect = import_module("clickhouse_connect")
        self._failures = import_module("clickhouse_connect.driver.exceptions").Error
        try:
            self._client = connect.get_client(dsn=url, settings=LIMITS)
        except self._failures as failure:
            raise WarehouseRefused(
                _("连不上 ClickHouse：%(reason)s") % {"reason": str(failure)[:200]}, field="engine"
            ) from failure

    def rows(self, statement: str) -> list[list[Any]]:
        return [list(row) for row in self._asked(self._client.query, statement).result_rows]

    def run(self, statement: str) -> None:
        self._asked(self._client.command, statement)

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        self._asked(self._client.insert, table, rows, column_names=list(columns))

    def _asked(self, work: Any, *args: Any, **options: Any) -> Any:
        try:
            return work(*args, **options)
        except self._failures as failure:
            raise WarehouseRefused(
                _("ClickHouse 没有答上来：%(reason)s") % {"reason": str(failure)[:300]},
                field="engine",
            ) from failure


class Embedded:
    """chDB: the same engine in this process, for trials and tests."""

    def __init__(self, folder: str) -> None:
        if find_spec("chdb") is None:
            raise WarehouseRefused(
                _("没有安装 chdb：请安装，或将 CLICKHOUSE_URL 指向 ClickHouse 服务器"),
                field="engine",
            )
        self._session = import_module("chdb.session").Session(folder)
        self.run("create database if not exists changke")
        self.run("use changke")

    def rows(self, statement: str) -> list[list[Any]]:
        limits = ", ".join(f"{name} = {value}" for name, value in LIMITS.items())
        answer = self._session.query(
            f"{statement} settings {limits}, output_format_json_quote_64bit_integers = 0",
            "JSONCompactEachRow",
        )
        return [json.loads(line) for line in answer.bytes().splitlines() if line]

    def run(self, statement: str) -> None:
        self._session.query(statement)

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
            file.writelines(json.dumps(list(row)) + "\n" for row in rows)
            file.flush()
            names = ", ".join(columns)
            self.run(
                f"insert into {table} ({names}) from infile '{file.name}' format JSONCompactEachRow"
            )


def text(value: str) -> str:
    """A string literal of ClickHouse."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
