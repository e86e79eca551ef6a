"""Named places at which a test may kill the process or take a guard away.

Both are inert unless the settings say that tests are running *and* the environment names the place:
``CHANGKE_KILL_AT=outbox.after_call``, at the third passing ``outbox.after_call:3``, or
``CHANGKE_GUARD_OFF=outbox.calling``. Production settings never say so, whatever the environment.
"""

import os
import signal
from collections import Counter

from django.conf import settings

_passed: Counter[str] = Counter()


def point(name: str) -> None:
    """Die here, as by ``kill -9``, if a test asked for it."""
    if settings.TESTING and _is_the_hour(name):
        os.kill(os.getpid(), signal.SIGKILL)


def guarded(name: str) -> bool:
    """Whether the guard ``name`` is in force; only the unguarded twin of a race test lifts it."""
    return not (settings.TESTING and name in _named("CHANGKE_GUARD_OFF"))


def _is_the_hour(name: str) -> bool:
    """Whether this passing is the one that was asked for; passings of a process are counted."""
    for wanted in _named("CHANGKE_KILL_AT"):
        place, _colon, passing = wanted.partition(":")
        if place == name:
            _passed[name] += 1
            return _passed[name] >= int(passing or 1)
    return False


def _named(variable: str) -> list[str]:
    return os.environ.get(variable, "").split(",")
