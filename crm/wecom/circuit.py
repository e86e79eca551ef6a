"""A pause per method after 45009: WeCom blocks whoever goes on calling.

When the pause ends, one probe goes through. Where it succeeds the method opens slowly, so that the
calls that waited do not close it again at once; where it fails the pause doubles up to an hour (the
length of WeCom's longest usual block).
"""

import time
from contextlib import suppress
from dataclasses import dataclass

from django.core.cache import cache
from redis.exceptions import RedisError

FIRST_PAUSE = 60
LONGEST_PAUSE = 3600
PROBE_SECONDS = 30
WAIT_FOR_PROBE = 5.0
# Calls a second after a probe: 2, 4, 8 … for half a minute.
FIRST_RATE = 2
DOUBLING_SECONDS = 5
RAMP_SECONDS = 30


@dataclass(frozen=True)
class Gate:
    """How long a method stays closed (0: call now), and whether this call is the probe."""

    wait: float = 0.0
    is_probe: bool = False


def ask(path: str) -> Gate:
    """Whether the method may be called now. Without the cache it may."""
    try:
        found = cache.get_many([_key(path), _ramp(path)])
        if state := found.get(_key(path)):
            return _gate_after(path, state)
        ramp = found.get(_ramp(path))
        return Gate(_ramp_wait(path, ramp["since"])) if ramp else Gate()
    except RedisError:
        return Gate()


def seconds_until_open(path: str) -> float:
    """0 when the method may be called now, otherwise how long it stays closed."""
    return ask(path).wait


def close(path: str) -> float:
    """Close the method after a 45009; returns for how many seconds."""
    with suppress(RedisError):
        found = cache.get_many([_key(path), _ramp(path)])
        state = found.get(_key(path))
        if state is not None and state["until"] > time.time():
            return state["until"] - time.time()  # A call that was under way when it closed.
        before = state or found.get(_ramp(path))
        pause = min(before["pause"] * 2, LONGEST_PAUSE) if before else FIRST_PAUSE
        cache.set(_key(path), {"until": time.time() + pause, "pause": pause}, pause + LONGEST_PAUSE)
        cache.delete_many([_key(path) + ":probe", _ramp(path)])
        return float(pause)
    return float(FIRST_PAUSE)


def note_success(path: str) -> None:
    """Open the method again, slowly, after a probe went well."""
    with suppress(RedisError):
        state = cache.get(_key(path))
        if state is None:
            return
        ramp = {"since": time.time(), "pause": state["pause"]}
        cache.set(_ramp(path), ramp, RAMP_SECONDS)
        cache.delete_many([_key(path), _key(path) + ":probe"])


def is_probing(path: str) -> bool:
    """Whether a pause is remembered for the method (so that a success should end it)."""
    with suppress(RedisError):
        return cache.get(_key(path)) is not None
    return False


def _gate_after(path: str, state: dict[str, float]) -> Gate:
    wait = state["until"] - time.time()
    if wait > 0:
        return Gate(wait)
    if cache.add(_key(path) + ":probe", 1, PROBE_SECONDS):
        return Gate(is_probe=True)
    return Gate(WAIT_FOR_PROBE)


def _ramp_wait(path: str, since: float) -> float:
    """0 while this second has room for one more call."""
    now = time.time()
    rate = FIRST_RATE * 2 ** int(max(now - since, 0) // DOUBLING_SECONDS)
    second = f"{_ramp(path)}:{int(now)}"
    cache.add(second, 0, 10)
    return 0.0 if cache.incr(second) <= rate else 1.0


def _key(path: str) -> str:
    return f"wecom:circuit:{path}"


def _ramp(path: str) -> str:
    return f"wecom:circuit:{path}:ramp"
