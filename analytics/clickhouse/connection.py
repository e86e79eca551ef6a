"""Where the statements go: a server or cluster over HTTP, or chDB in this process.

`CLICKHOUSE_URL` names it: `https://user:password@host:8443/changke`, or `chdb:///FOLDER` for trials
and tests, one process per folder. chDB is no dependency of the product.
"""

import os
from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
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
def _opened(url: str, _pid: int) -> "Connection":
    """One per process: a connection does not survive a fork."""
    return Connection(url)


class Connection:
    """A server, a cluster or chDB, by clickhouse-connect."""

    def __init__(self, url: str) -> None:
        connect = import_module("clickhouse_connect")
        self._failures = import_module("clickhouse_connect.driver.exceptions").Error
        try:
            self._client = connect.get_client(dsn=url, settings=LIMITS)
        except ImportError as missing:
            raise WarehouseRefused(
                _("没有安装 chdb：请安装，或将 CLICKHOUSE_URL 指向 ClickHouse 服务器"),
                field="engine",
            ) from missing
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


def text(value: str) -> str:
    """A string literal of ClickHouse."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
