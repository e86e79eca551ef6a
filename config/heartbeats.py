"""Signs of life of workers and beat, left in the cache for `/readyz`."""

import time

from celery.beat import PersistentScheduler
from celery.signals import heartbeat_sent
from django.core.cache import cache

BEAT_SECONDS = 5
_KEPT_SECONDS = 24 * 3600


def note(name: str) -> None:
    """Leave a sign of life."""
    cache.set(f"heartbeat:{name}", time.time(), _KEPT_SECONDS)


def age(name: str) -> float | None:
    """Seconds since the last sign of life; None when there was none within a day."""
    seen = cache.get(f"heartbeat:{name}")
    return None if seen is None else max(0.0, time.time() - seen)


@heartbeat_sent.connect
def note_worker(sender, **_kwargs: object) -> None:
    """A worker vouches for every queue that it listens to."""
    for queue in sender.eventer.app.amqp.queues.consume_from:
        note(f"queue:{queue}")


class BeatingScheduler(PersistentScheduler):
    """Celery's scheduler that leaves a sign of life at most every few seconds."""

    _noted_at = 0.0

    def tick(self, *args: object, **kwargs: object) -> float:
        if time.monotonic() - self._noted_at >= BEAT_SECONDS:
            self._noted_at = time.monotonic()
            note("beat")
        return super().tick(*args, **kwargs)
