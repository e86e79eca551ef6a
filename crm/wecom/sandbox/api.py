"""The table of endpoints and what a handler is given."""

import hashlib
import json
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .wire import Refused

if TYPE_CHECKING:
    from .core import Sandbox


@dataclass(frozen=True)
class Route:
    verb: str
    path: str
    handler: Callable
    token: bool


ROUTES: dict[str, Route] = {}


def endpoint(verb: str, path: str, *, token: bool = True) -> Callable:
    """Register a handler for /cgi-bin/<path>; it returns the fields beside errcode and errmsg."""

    def register(handler: Callable) -> Callable:
        ROUTES[path] = Route(verb, path, handler, token)
        return handler

    return register


@dataclass
class Upload:
    """The file of a multipart request."""

    filename: str
    content_type: str
    content: bytes


@dataclass(frozen=True)
class Raw:
    """An answer that is not JSON."""

    content_type: str
    content: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Call:
    """One API request inside its transaction."""

    sandbox: "Sandbox"
    db: sqlite3.Connection
    method: str
    app: str
    query: dict[str, str]
    body: dict[str, Any]
    upload: Upload | None = None
    effects: list[int] = field(default_factory=list)

    @property
    def now(self) -> float:
        return self.sandbox.clock.now()

    def effect(self, effect_id: str, body: Any = None) -> None:
        """Enter something that really changed into the ledger, in the same transaction."""
        record = json.dumps(self.body if body is None else body, ensure_ascii=False, sort_keys=True)
        digest = hashlib.sha256(f"{self.method}\n{record}".encode()).hexdigest()
        row = self.db.execute(
            "insert into ledger (at, real_at, method, app, effect_id, digest, body)"
            " values (?, ?, ?, ?, ?, ?, ?)",
            (self.now, time.time(), self.method, self.app, effect_id, digest, record),
        )
        self.effects.append(row.lastrowid)

    def paged(self, scope: Any) -> tuple[list | None, Callable[[list | None], str]]:
        """Where this page starts (None: at the beginning) and a maker of `next_cursor`."""
        cursor = self.body.get("cursor", self.query.get("cursor")) or ""
        if not isinstance(cursor, str):
            raise Refused(40058, "cursor")
        cursors, position, page = self.sandbox.cursors, None, 0
        if cursor:
            position, page = cursors.take(self.method, scope, cursor)

        def following(last: list | None) -> str:
            return "" if last is None else cursors.give(self.method, scope, last, page + 1)

        return position, following
