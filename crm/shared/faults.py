"""Named places at which a test may kill the process or take a guard away.

Both are inert unless the settings say that tests are running *and* the environment names the place:
``CHANGKE_KILL_AT=outbox.after_call`` or ``CHANGKE_GUARD_OFF=outbox.calling``.
"""

import os
import signal

from django.conf import settings


def point(name: str) -> None:
    """Die here, as by ``kill -9``, if a test asked for it."""
    if settings.TESTING and name in _named("CHANGKE_KILL_AT"):
        os.kill(os.getpid(), signal.SIGKILL)


def guarded(name: str) -> bool:
    """Whether the guard ``name`` is in force; only the unguarded twin of a race test lifts it."""
    return not (settings.TESTING and name in _named("CHANGKE_GUARD_OFF"))


def _named(variable: str) -> list[str]:
    return os.environ.get(variable, "").split(",")
