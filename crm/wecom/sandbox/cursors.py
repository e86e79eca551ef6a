"""Opaque cursors: signed, bound to their call and filter, and good for an hour only."""

import base64
import hashlib
import hmac
import json
from typing import Any

from .clock import HOUR, Clock
from .store import Store
from .wire import Refused

LIFETIME = HOUR


class Cursors:
    """Makes and reads cursors; `expire` makes all that are out stop working."""

    def __init__(self, store: Store, clock: Clock):
        self.store = store
        self.clock = clock

    def give(self, method: str, scope: Any, position: list, page: int) -> str:
        payload = json.dumps(
            [self._scope(method, scope), position, page, int(self.clock.now())],
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode()
        return base64.urlsafe_b64encode(self._seal(payload) + payload).decode()

    def take(self, method: str, scope: Any, cursor: str) -> tuple[list, int]:
        """The position a cursor stands for and its page number, or 50100."""
        payload = self._open(cursor)
        if payload is None:
            raise Refused(50100)
        sealed_scope, position, page, given_at = payload
        too_old = self.clock.now() - given_at > LIFETIME
        if too_old or sealed_scope != self._scope(method, scope):
            raise Refused(50100)
        return position, page

    def page_of(self, cursor: Any) -> int:
        """Which page a call asks for: 1 without a cursor. Faults aim at pages."""
        payload = self._open(cursor) if isinstance(cursor, str) and cursor else None
        return payload[2] + 1 if payload else 1

    def expire(self) -> None:
        self.store.put("cursor_series", self.store.get("cursor_series", 0) + 1)

    def _open(self, cursor: str) -> list | None:
        try:
            data = base64.urlsafe_b64decode(cursor.encode())
        except (ValueError, UnicodeEncodeError):
            return None
        seal, payload = data[:12], data[12:]
        if not hmac.compare_digest(seal, self._seal(payload)):
            return None
        return json.loads(payload)

    def _seal(self, payload: bytes) -> bytes:
        key = f"{self.store.get('cursor_key', 'sandbox')}/{self.store.get('cursor_series', 0)}"
        return hmac.new(key.encode(), payload, "sha256").digest()[:12]

    @staticmethod
    def _scope(method: str, scope: Any) -> str:
        text = json.dumps([method, scope], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
