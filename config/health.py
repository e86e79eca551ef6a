"""Is the process alive, and is the installation able to work? Two views for machines.

Neither needs a sign-in, so neither says more than a number or a word: no address, no exception
text, no name.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass

import httpx
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from redis.exceptions import RedisError

from config import heartbeats
from config.celery import QUEUES
from config.celery import app as celery_app
from crm.agents.access import public
from crm.archive.queries import archive_health
from crm.callbacks.queries import inbox_health
from crm.timeline.models import Fact

QUIET_SECONDS = 60  # Workers and beat leave a sign of life every few seconds.
WECOM_KEPT_SECONDS = 10


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    ok: bool
    detail: str


@public
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers; nothing else is asked."""
    return JsonResponse({"ok": True})


@public
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when everything that the product needs works, else 503; each check by name."""
    checks = {name: _run(check) for name, check in CHECKS.items()}
    ok = all(check.ok for check in checks.values())
    body = {"ok": ok, "checks": {name: asdict(check) for name, check in checks.items()}}
    return JsonResponse(body, status=200 if ok else 503, headers={"Cache-Control": "no-store"})


def _run(check: Callable[[], Check]) -> Check:
    # Drivers raise errors of many families, and any of them means "not ready". Only the family's
    # name is told: messages carry addresses.
    try:
        return check()
    except Exception as error:
        return Check(False, type(error).__name__)


def _postgresql() -> Check:
    started = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("select 1")
    return Check(True, f"{(time.perf_counter() - started) * 1000:.1f} ms")


def _broker() -> Check:
    started = time.perf_counter()
    with celery_app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, timeout=2)
    return Check(True, f"{(time.perf_counter() - started) * 1000:.1f} ms")


def _worker() -> Check:
    ages = {queue: heartbeats.age(f"queue:{queue}") for queue in QUEUES}
    silent = [queue for queue, age in ages.items() if age is None or age > QUIET_SECONDS]
    if silent:
        return Check(False, f"no worker takes from {', '.join(silent)}")
    return Check(True, f"{max(ages.values()):.0f} s ago")


def _beat() -> Check:
    age = heartbeats.age("beat")
    if age is None:
        return Check(False, "no sign of life")
    return Check(age <= QUIET_SECONDS, f"{age:.0f} s ago")


def _wecom() -> Check:
    """Whether the WeCom address answers in its own envelope; asked at most every ten seconds."""
    kept = None
    with suppress(RedisError):  # Without the cache we ask each time; the broker check tells of it.
        kept = cache.get("readyz:wecom")
    if kept is None:
        kept = asdict(_ask_wecom())
        with suppress(RedisError):
            cache.set("readyz:wecom", kept, WECOM_KEPT_SECONDS)
    return Check(**kept)


def _ask_wecom() -> Check:
    started = time.perf_counter()
    try:
        answer = httpx.get(f"{settings.WECOM_BASE_URL}/cgi-bin/getcallbackip", timeout=2).json()
    except (httpx.HTTPError, ValueError) as error:
        return Check(False, type(error).__name__)
    if not isinstance(answer, dict) or "errcode" not in answer:
        return Check(False, "answers, but not as WeCom")
    return Check(True, f"{(time.perf_counter() - started) * 1000:.0f} ms")


def _newest_fact() -> Check:
    """How fresh the timeline is. Quiet hours are no failure, so this never turns red."""
    recorded_at = Fact.unsafe_all.order_by("-pk").values_list("recorded_at", flat=True).first()
    if recorded_at is None:
        return Check(True, "no facts yet")
    return Check(True, f"{(timezone.now() - recorded_at).total_seconds():.0f} s ago")


def _inbox() -> Check:
    """How long the oldest callback has been waiting to be handled; parked ones are for people."""
    health = inbox_health(timezone.now())
    if health.waiting_since is None:
        return Check(True, f"nothing waits, {health.parked} parked")
    seconds = (timezone.now() - health.waiting_since).total_seconds()
    return Check(not health.is_late, f"{seconds:.0f} s, {health.parked} parked")


def _archive() -> Check:
    """How far the chat archive is behind; red above an hour, as the platform forgets in days."""
    health = archive_health(timezone.now())
    if health is None:
        return Check(True, "not in use")
    if health.lag is None:
        return Check(True, "not pulled yet")
    return Check(not health.is_late, f"{health.lag.total_seconds():.0f} s behind")


CHECKS: dict[str, Callable[[], Check]] = {
    "postgresql": _postgresql,
    "broker": _broker,
    "worker": _worker,
    "beat": _beat,
    "wecom": _wecom,
    "newest_fact": _newest_fact,
    "archive": _archive,
    "inbox": _inbox,
}
