"""The sandbox's own memory: one SQLite file, one connection, one writer at a time.

A transaction holds the world change, its ledger row and its callbacks together. WAL without an
fsync per commit survives any death of the process, which is what tests inflict.
"""

import fcntl
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from .schema import SCHEMA, VERSION


class StoreInUse(Exception):
    """One process per store."""


class Store:
    """Opens or makes the store of one folder; `pristine` keeps the world as it was born."""

    def __init__(self, directory: Path):
        directory.mkdir(parents=True, exist_ok=True)
        self.guard = _alone(directory / "in-use")
        self.directory = directory
        self.files = directory / "files"
        self.pristine = directory / "pristine.sqlite3"
        self.lock = threading.RLock()
        self.depth = 0
        self.db = self._open(directory / "world.sqlite3")
        if self.get("schema") != VERSION:
            self.wipe()

    @staticmethod
    def _open(path: Path) -> sqlite3.Connection:
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        db.row_factory = sqlite3.Row
        db.execute("pragma journal_mode=wal")
        db.execute("pragma synchronous=normal")
        db.execute("pragma cache_size=-65536")
        db.executescript(SCHEMA)
        return db

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; nested use joins the outer transaction."""
        with self.lock:
            if self.depth:
                yield self.db
                return
            self.db.execute("begin immediate")
            self.depth = 1
            try:
                yield self.db
            except BaseException:
                self.db.execute("rollback")
                raise
            else:
                self.db.execute("commit")
            finally:
                self.depth = 0

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        with self.lock:
            yield self.db

    def get(self, name: str, default: Any = None) -> Any:
        with self.lock:
            row = self.db.execute("select value from meta where name = ?", (name,)).fetchone()
        return default if row is None else json.loads(row["value"])

    def put(self, name: str, value: Any) -> None:
        with self.lock:
            self.db.execute(
                "insert into meta values (?, ?)"
                " on conflict (name) do update set value = excluded.value",
                (name, json.dumps(value)),
            )

    def number(self, name: str) -> int:
        """The next number of a named series."""
        with self.write():
            value = self.get(name, 0) + 1
            self.put(name, value)
        return value

    def wipe(self) -> None:
        """Empty every table, so that a world can be generated."""
        with self.lock:
            things = self.db.execute(
                "select type, name from sqlite_master where type in ('table', 'view')"
                " and name not like 'sqlite_%' order by type desc"
            )
            for kind, name in [tuple(thing) for thing in things]:
                self.db.execute("drop " + kind + ' "' + name + '"')  # Our own names only.
            self.db.executescript(SCHEMA)
            self.put("schema", VERSION)
            self.put("lost_relations_listed", True)

    def keep_pristine(self) -> None:
        """Remember the present world as the one that a reset returns to."""
        unfinished = self.pristine.with_suffix(".part")
        unfinished.unlink(missing_ok=True)
        copy = sqlite3.connect(unfinished)
        with self.lock:
            self.db.backup(copy)
        copy.close()
        unfinished.replace(self.pristine)

    def reset(self) -> None:
        """Return to the world as it was generated."""
        with self.lock:
            born = sqlite3.connect(self.pristine)
            born.backup(self.db)
            born.close()
            self.db.executescript(SCHEMA)  # Born before a table was added, perhaps.

    def close(self) -> None:
        with self.lock:
            self.db.close()
        self.guard.close()


def _alone(path: Path) -> TextIO:
    """A lock that ends with the process, however it ends."""
    guard = path.open("w")
    try:
        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        guard.close()
        raise StoreInUse(f"another sandbox works on {path.parent}") from None
    return guard


def rows(cursor: sqlite3.Cursor) -> list[dict[str, Any]]:
    """Plain dictionaries, ready for JSON."""
    return [dict(row) for row in cursor]
