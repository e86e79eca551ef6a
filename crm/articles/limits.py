"""How often one address may ask in a minute; nothing of it is kept longer than two."""

import hashlib
import hmac
import logging
import time

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from redis.exceptions import RedisError

from crm.shared.http import client_address

# Many phones of one carrier share an address.
ASKED_A_MINUTE = 600
MOST_BYTES = 512
log = logging.getLogger(__name__)


def is_too_often(request: HttpRequest) -> bool:
    """Count this request against its address; nobody is kept out without one, or without a cache.

    Behind a proxy that names nobody all readers would share the proxy's.
    """
    if not (address := client_address(request)):
        return False
    said = address.encode()
    who = hmac.new(settings.SECRET_KEY.encode(), said, hashlib.sha256).hexdigest()[:16]
    key = f"articles:{who}:{int(time.time() // 60)}"
    try:
        cache.add(key, 0, timeout=120)
        return cache.incr(key) > getattr(settings, "ARTICLES_A_MINUTE", ASKED_A_MINUTE)
    except (RedisError, ValueError):
        log.warning("openings are not counted: the cache is away")
        return False
