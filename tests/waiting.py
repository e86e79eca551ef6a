"""Waiting for something that happens in another process, without sleeping blindly."""

from collections.abc import Callable
from typing import TypeVar

from django.db import connection

from config.processes import eventually as comes_true

Value = TypeVar("Value")


def eventually(check: Callable[[], Value], timeout: float = 10) -> Value:
    """Ask until `check` gives something true, and return it; an AssertionError otherwise.

    An AssertionError inside `check` counts as "not yet", and the last one is told at the end.
    """
    seen: list = []

    def asked() -> bool:
        try:
            seen[:] = [check()]
        except AssertionError as not_yet:
            seen[:] = [not_yet]
            return False
        return bool(seen[0])

    if comes_true(asked, timeout):
        return seen[0]
    reason = seen[0] if isinstance(seen[0], AssertionError) else f"still {seen[0]!r}"
    raise AssertionError(f"not within {timeout} s: {reason}")


def somebody_waits_for_a_lock() -> bool:
    """Whether a session of this test's database waits for a lock.

    Other tests run at the same time on the same server: their waiting is none of ours.
    """
    with connection.cursor() as cursor:
        cursor.execute("select pg_stat_clear_snapshot()")
        cursor.execute(
            "select exists (select from pg_stat_activity"
            " where wait_event_type = 'Lock' and datname = current_database())"
        )
        return cursor.fetchone()[0]
