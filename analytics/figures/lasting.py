"""Answers that took long are kept for a while: what took a second is shown for a minute.

So no question costs more than a sixtieth of a core, however many people look at it, and what is
quick is always fresh. The answer carries its own data time. Whoever asks what is being asked this
moment gets the answer before it, or waits for this one; nobody asks a second time beside it. A
machine asks one such question at a time for every two of its cores: lists and profiles are opened
beside it. The question is
known by its values, the customers and agents in the viewer's scope, and the language.
"""

import fcntl
import hashlib
import json
import logging
import os
import pickle
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, TypeVar

from django.conf import settings
from django.core.cache import cache
from django.utils.translation import get_language
from redis.exceptions import RedisError

from analytics.events import budget
from analytics.figures.scope import scope_name
from crm.agents.models import User
from crm.shared.faults import guarded

LASTS = 60
"""Times its own cost that an answer lasts."""
QUICK_SECONDS = 0.2
LONGEST_SECONDS = 600
STALE_TIMES = 3
"""How many lifetimes an answer may be shown to others while somebody asks anew."""
MOST_BYTES = 8 << 20
ASKING_SECONDS = 90
LOOKS_EVERY = 0.05

LANES = max(1, (os.cpu_count() or 1) // 2)
_quick: set[str] = set()
_QUICK_AT_MOST = 10_000
logger = logging.getLogger(__name__)
T = TypeVar("T")


def lasting(name: str, question: dict[str, Any], *, user: User, ask: Callable[[], T]) -> T:
    """What ``ask`` finds, or found a short while ago for the same question and scope."""
    if not settings.ANSWERS_LAST:
        return ask()
    key = _key(name, question, user)
    kept = _read(key)
    if kept and time.time() < kept[0]:
        return kept[1]
    if not _begin(key):
        found = kept or _wait_for(key)
        if found:
            return found[1]
    try:
        with _lane(key):
            begun = time.perf_counter()
            answer = ask()
            took = time.perf_counter() - begun
        _note(key, took)
        _keep(key, answer, took)
        return answer
    finally:
        with suppress(RedisError):
            cache.delete(f"{key}:asking")


@contextmanager
def _lane(key: str) -> Iterator[None]:
    """Wait for one's turn, within the budget; what was quick the last time need not."""
    if key in _quick:
        yield
        return
    spent = budget.current()
    while (held := _free_lane()) is None:
        time.sleep(LOOKS_EVERY)
        if spent:
            spent.check()
    with held:
        yield


def _free_lane() -> IO[bytes] | None:
    """A lane of this machine that nobody is in; closing the file, or dying, leaves it."""
    settings.STATE_DIR.mkdir(parents=True, exist_ok=True)
    for number in range(LANES):
        lane = open(settings.STATE_DIR / f"lane-{number}.lock", "ab")  # noqa: SIM115 - kept open
        try:
            fcntl.flock(lane, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lane.close()
        else:
            return lane
    return None


def _note(key: str, seconds: float) -> None:
    if seconds >= QUICK_SECONDS:
        _quick.discard(key)
        return
    if len(_quick) >= _QUICK_AT_MOST:
        _quick.clear()
    _quick.add(key)


def _key(name: str, question: dict[str, Any], user: User) -> str:
    told = [name, question, scope_name(user), get_language()]
    text = json.dumps(told, sort_keys=True, default=str)
    return f"answer:{hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}"


def _read(key: str) -> tuple[float, Any] | None:
    with suppress(RedisError):
        if held := cache.get(key):
            return held[0], pickle.loads(zlib.decompress(held[1]))  # noqa: S301 - our own cache
    return None


def _begin(key: str) -> bool:
    """Whether we are the one to ask; so it is too where there is no cache to tell."""
    with suppress(RedisError):
        return cache.add(f"{key}:asking", True, ASKING_SECONDS) or not guarded("answers.alone")
    return True


def _wait_for(key: str) -> tuple[float, Any] | None:
    """The answer that somebody else asks for; None where they gave up."""
    spent = budget.current()
    until = time.monotonic() + ASKING_SECONDS
    while time.monotonic() < until:
        if spent:
            spent.check()
        time.sleep(LOOKS_EVERY)
        with suppress(RedisError):
            if cache.get(f"{key}:asking"):
                continue
        return _read(key)
    return None


def _keep(key: str, answer: Any, seconds: float) -> None:
    if seconds < QUICK_SECONDS:
        return
    lasts = min(LASTS * seconds, LONGEST_SECONDS)
    packed = zlib.compress(pickle.dumps(answer, pickle.HIGHEST_PROTOCOL), 1)
    if len(packed) > MOST_BYTES:
        logger.info("An answer of %s bytes is not kept: %s", len(packed), key)
        return
    with suppress(RedisError):
        cache.set(key, (time.time() + lasts, packed), int(lasts * STALE_TIMES) + 1)
