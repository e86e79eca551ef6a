"""How often callbacks were refused, by reason and day: forged ones, or our own clock or keys."""

from contextlib import suppress
from datetime import datetime, timedelta

import structlog
from django.core.cache import cache
from redis.exceptions import RedisError

from crm.shared.times import local_day

log = structlog.get_logger("crm.callbacks")

REASONS = (
    "size",
    "shape",
    "time",
    "signature",
    "base64",
    "length",
    "padding",
    "bounds",
    "receiveid",
    "xml",
    "encoding",
    "unconfigured",
)
KEPT = timedelta(days=8)


def count_refusal(reason: str, *, now: datetime) -> None:
    """Count one refusal; the caller is told nothing of it."""
    log.warning("callback refused", reason=reason)
    key = _key(reason, now)
    with suppress(RedisError):
        cache.add(key, 0, KEPT.total_seconds())
        with suppress(ValueError):  # It expired between the two calls.
            cache.incr(key)


def refusals(now: datetime) -> dict[str, int]:
    """Today's refusals by reason, without zeros."""
    with suppress(RedisError):
        counted = cache.get_many([_key(reason, now) for reason in REASONS])
        found = {reason: counted.get(_key(reason, now), 0) for reason in REASONS}
        return {reason: n for reason, n in found.items() if n}
    return {}


def _key(reason: str, now: datetime) -> str:
    return f"callbacks:refused:{local_day(now)}:{reason}"
