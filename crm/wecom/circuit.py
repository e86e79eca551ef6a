"""A pause per method after 45009: WeCom blocks whoever goes on calling.

When the pause ends, one probe goes through; if it succeeds the method is open again, if not the
pause doubles up to an hour (the length of WeCom's longest usual block).
"""

import time
from contextlib import suppress

from django.core.cache import cache
from redis.exceptions import RedisError

FIRST_PAUSE = 60
LONGEST_PAUSE = 3600
PROBE_SECONDS = 30


def seconds_until_open(path: str) -> float:
    """0 when the method may be called now, otherwise how long it stays closed."""
    try:
        state = cache.get(_key(path))
        if state is None:
            return 0.0
        wait = state["until"] - time.time()
        if wait > 0:
            return wait
        return 0.0 if cache.add(_key(path) + ":probe", 1, PROBE_SECONDS) else 5.0
    except RedisError:
        return 0.0


def close(path: str) -> float:
    """Close the method after a 45009; returns for how many seconds."""
    with suppress(RedisError):
        state = cache.get(_key(path))
        pause = FIRST_PAUSE if state is None else min(state["pause"] * 2, LONGEST_PAUSE)
        if state is not None and state["until"] > time.time():
            return state["until"] - time.time()  # A call that was under way when it closed.
        cache.set(_key(path), {"until": time.time() + pause, "pause": pause}, pause + LONGEST_PAUSE)
        cache.delete(_key(path) + ":probe")
        return float(pause)
    return float(FIRST_PAUSE)


def note_success(path: str) -> None:
    """Open the method again after a probe went well."""
    with suppress(RedisError):
        cache.delete_many([_key(path), _key(path) + ":probe"])


def is_probing(path: str) -> bool:
    """Whether a pause is remembered for the method (so that a success should end it)."""
    with suppress(RedisError):
        return cache.get(_key(path)) is not None
    return False


def _key(path: str) -> str:
    return f"wecom:circuit:{path}"
