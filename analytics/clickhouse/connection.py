"""Where the statements go: a server or cluster over HTTP, or chDB in this process.

`CLICKHOUSE_URL` names it: `https://user:password@host:8443/changke`, or `chdb:///FOLDER` for trials
and tests, one process per folder. chDB is no dependency of the product.
"""

import math
import os
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, TimeoutError
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from django.conf import settings
from django.utils.translation import gettext as _

from analytics.events import budget
from crm.shared.errors import DomainError

# One question may not take a cluster's memory from everybody else's.
LIMITS = {"max_execution_time": 120, "max_query_size": 64 << 20, "max_ast_elements": 1_000_000}
# A statement of a higher number waits for those of a lower one; 0 waits for nobody.
PRIORITY = 5
LOOKS_EVERY = 0.2
_TIMEOUT = 159


class WarehouseRefused(DomainError):
    """The second engine is not there, not loaded, or cannot say what was asked."""

    code = "warehouse_refused"


class Warehouse(Protocol):
    """What the engine needs of a ClickHouse."""

    def rows(self, statement: str) -> list[list[Any]]:
        """All rows of an answer."""

    def column(self, statement: str) -> list[Any]:
        """The one column of an answer."""

    def numbers(self, statement: str) -> list[np.ndarray]:
        """The columns of an answer of whole numbers; none where it has no rows."""

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
    """A server, a cluster or chDB, by clickhouse-connect.

    What is asked within a budget takes no longer than that, gives way to loading, and is stopped
    where nobody wants to know any more. (chDB runs one statement at a time, to its own limit.)
    """

    def __init__(self, url: str) -> None:
        self._is_embedded = url.startswith("chdb:")
        connect = import_module("clickhouse_connect")
        self._failures = import_module("clickhouse_connect.driver.exceptions").Error
        try:
            # A session would take one statement at a time; threads ask side by side.
            alone = {} if self._is_embedded else {"autogenerate_session_id": False}
            self._client = connect.get_client(dsn=url, settings=LIMITS, **alone)
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
        return [list(row) for row in self._read(self._client.query, statement).result_rows]

    def column(self, statement: str) -> list[Any]:
        found = self._read(self._client.query, statement, column_oriented=True).result_columns
        return list(found[0]) if found else []

    def numbers(self, statement: str) -> list[np.ndarray]:
        found = self._read(self._client.query_np, statement)
        if not len(found):
            return []
        # Columns of one type come as a table, others as a structured array.
        columns = [found[name] for name in found.dtype.names] if found.dtype.names else found.T
        return [np.ascontiguousarray(column, np.int64) for column in columns]

    def run(self, statement: str) -> None:
        self._asked(self._client.command, statement)

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        self._asked(self._client.insert, table, rows, column_names=list(columns))

    def _read(self, query: Callable[..., Any], statement: str, **options: Any) -> Any:
        purse = budget.current()
        if purse is None:
            return self._asked(query, statement, **options)
        purse.check()
        number = secrets.token_hex(12)
        limits = {
            "max_execution_time": min(LIMITS["max_execution_time"], math.ceil(purse.left)),
            "priority": PRIORITY,
            "query_id": number,
        }
        pool = ThreadPoolExecutor(1)
        work = pool.submit(query, statement, settings=limits, **options)
        try:
            while True:
                with suppress(TimeoutError):
                    return work.result(LOOKS_EVERY)
                purse.check()
        except self._failures as failure:
            if getattr(failure, "code", None) == _TIMEOUT:
                raise purse.refusal() from failure
            raise _refusal(failure) from failure
        except DomainError:
            self._stop(number)
            raise
        finally:
            pool.shutdown(wait=False)

    def _stop(self, number: str) -> None:
        """End a statement that nobody waits for; chDB would first wait for its end."""
        if not self._is_embedded:
            with suppress(self._failures):
                self._client.command(f"kill query where query_id = {text(number)} async")

    def _asked(self, work: Any, *args: Any, **options: Any) -> Any:
        try:
            return work(*args, **options)
        except self._failures as failure:
            raise _refusal(failure) from failure


def _refusal(failure: Exception) -> WarehouseRefused:
    words = _("ClickHouse 没有答上来：%(reason)s")
    return WarehouseRefused(words % {"reason": str(failure)[:300]}, field="engine")


def text(value: str) -> str:
    """A string literal of ClickHouse."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
