"""Access tokens: one per corporation and application, shared by all processes.

Kept in the cache; fetched by one process at a time under a PostgreSQL advisory lock, because WeCom
blocks addresses that ask too often. Where the cache is away, a process keeps what it fetched.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass

from django.core.cache import cache
from django.db import connection
from redis.exceptions import RedisError

from crm.shared import faults

SAFETY_SECONDS = 300  # A token may die before its time; close to its end we do not try.


@dataclass(frozen=True)
class App:
    """Whose token: those of different applications, or origins, are not interchangeable."""

    origin: str
    corp_id: str
    secret: str

    @property
    def key(self) -> str:
        """A name for cache and lock that does not give the secret away."""
        digest = hashlib.sha256(
            f"{self.origin}\n{self.corp_id}\n{self.secret}".encode()
        ).hexdigest()
        return f"wecom:token:{digest[:24]}"

    @property
    def owner(self) -> str:
        """A short name of the corporation, whose frequency limits all its applications share."""
        return hashlib.sha256(f"{self.origin}\n{self.corp_id}".encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Fetched:
    """A new token and its life in seconds."""

    value: str
    lifetime: int


class TokenStore:
    """Hands out the current token of one application."""

    def __init__(self, app: App, fetch: Callable[[], Fetched]) -> None:
        self._app = app
        self._fetch = fetch
        self._kept: tuple[str, float] = ("", 0.0)

    def current(self, *, instead_of: str = "") -> str:
        """The token in force; ``instead_of`` names one that WeCom has just refused."""
        token = self._known(instead_of)
        if token:
            return token
        with _one_at_a_time(self._app.key) if faults.guarded("wecom.token") else nullcontext():
            # Whoever waited for the lock finds what its holder fetched.
            return self._known(instead_of) or self._renew()

    def _known(self, refused: str) -> str:
        try:
            token = cache.get(self._app.key) or ""
        except RedisError:
            value, until = self._kept
            token = value if time.monotonic() < until else ""
        return "" if token == refused else token

    def _renew(self) -> str:
        fetched = self._fetch()
        seconds = max(fetched.lifetime - SAFETY_SECONDS, fetched.lifetime // 2)
        self._kept = (fetched.value, time.monotonic() + seconds)
        with suppress(RedisError):
            cache.set(self._app.key, fetched.value, seconds)
        return fetched.value


@contextmanager
def _one_at_a_time(key: str) -> Iterator[None]:
    """Hold the advisory lock of the token on this connection, outside any transaction."""
    number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big", signed=True)
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_lock(%s)", [number])
        try:
            yield
        finally:
            cursor.execute("select pg_advisory_unlock(%s)", [number])
