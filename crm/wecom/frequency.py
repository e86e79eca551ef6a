"""We stop before WeCom does: calls of one method, counted for all processes in Valkey.

Each rule has a sliding window, estimated from two fixed ones (the share of the last that is still
inside, and the present one), so that no burst at the turn of a minute slips through. Where Valkey
is away nothing is counted: WeCom's own 45009 and the circuit remain.
"""

import time
from functools import lru_cache

from django.conf import settings
from redis import Redis
from redis.commands.core import Script
from redis.exceptions import RedisError

from crm.shared import faults
from crm.wecom.limits import limits

MINUTE, HOUR = 60, 3600
# KEYS: for each rule the present window and the last one. ARGV: now, then window and limit of each
# rule. Answers 0 and counts the call, or counts nothing and answers how many seconds to wait.
_COUNT = """
local now, wait = tonumber(ARGV[1]), 0
for rule = 1, #KEYS / 2 do
  local window, limit = tonumber(ARGV[rule * 2]), tonumber(ARGV[rule * 2 + 1])
  local here = tonumber(redis.call('get', KEYS[rule * 2 - 1]) or '0')
  local last = tonumber(redis.call('get', KEYS[rule * 2]) or '0')
  local passed = now % window
  if here >= limit then
    wait = math.max(wait, window - passed)
  elseif last * (1 - passed / window) + here >= limit then
    wait = math.max(wait, window * (1 - (limit - here) / last) - passed, 0.1)
  end
end
if wait == 0 then
  for rule = 1, #KEYS / 2 do
    redis.call('incr', KEYS[rule * 2 - 1])
    redis.call('expire', KEYS[rule * 2 - 1], math.ceil(tonumber(ARGV[rule * 2]) * 2))
  end
end
return tostring(wait)
"""


def seconds_to_wait(path: str, owner: str) -> float:
    """0 when there is room (the call is counted then). ``owner`` names the corporation."""
    rules = _rules(path)
    now = time.time()
    keys = [
        f"changke:wecom:calls:{owner}:{path}:{window}:{int(now // window) - back}"
        for window, _ in rules
        for back in (0, 1)
    ]
    numbers = [number for rule in rules for number in rule]
    if not faults.guarded("wecom.frequency"):
        return 0.0
    try:
        return float(_script(_location())(keys=keys, args=[now, *numbers]))
    except RedisError:
        return 0.0


def _rules(path: str) -> list[tuple[int, int]]:
    """(seconds, calls) that hold for a method."""
    most = limits()
    own = {
        "externalcontact/add_moment_task": most.moments_per_minute,
        "msgaudit/check_single_agree": most.single_consents_per_minute,
        "msgaudit/check_room_agree": most.room_consents_per_minute,
    }
    return [(MINUTE, own.get(path, most.calls_per_minute)), (HOUR, most.calls_per_hour)]


def _location() -> str:
    location = settings.CACHES["default"]["LOCATION"]
    return location if isinstance(location, str) else location[0]


@lru_cache(maxsize=2)
def _script(location: str) -> Script:
    return Redis.from_url(location, socket_timeout=1.0).register_script(_COUNT)
