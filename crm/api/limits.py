"""How much one token may send: bytes, items, and requests a minute."""

import logging
import time

from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError
from rest_framework.exceptions import APIException, Throttled
from rest_framework.request import Request

MAX_BODY = 4 * 1024 * 1024
MAX_ITEMS = 1_000
REQUESTS_A_MINUTE = 300
log = logging.getLogger(__name__)


class BodyTooLarge(APIException):
    """More bytes than a batch may have."""

    status_code = 413
    default_code = "too_large"


def check_size(request: Request) -> None:
    """Refuse a large body before reading it."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdigit() or int(length) > MAX_BODY:
        raise BodyTooLarge(f"send at most {MAX_BODY >> 20} MB a request")


def count_request(request: Request) -> None:
    """Count this request against its token; raises Throttled with the seconds to wait.

    One atomic increment: parallel requests cannot slip through between reading and writing.
    """
    who = f"token:{request.auth.pk}" if request.auth else f"user:{request.user.pk}"
    now = time.time()
    key = f"api:{who}:{int(now // 60)}"
    try:
        cache.add(key, 0, timeout=120)
        seen = cache.incr(key)
    except (RedisError, ValueError):
        # Without the cache orders must still come in; PostgreSQL is the record.
        log.warning("requests are not counted: the cache is away")
        return
    if seen > getattr(settings, "API_REQUESTS_A_MINUTE", REQUESTS_A_MINUTE):
        raise Throttled(wait=60 - now % 60)
