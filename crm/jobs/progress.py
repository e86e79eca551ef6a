"""How far a job is, written where others can see it while the work is still one transaction.

A thread with a database connection of its own writes progress and heartbeat once a second and reads
whether somebody wants the job cancelled. It then also cancels the statement that is running, so
that a long one need not be waited for.
"""

import logging
import threading
from datetime import datetime

from django.db import DatabaseError, connection
from django.utils import timezone

from crm.jobs.models import Job

EVERY_SECONDS = 1.0
log = logging.getLogger(__name__)

# Where each phase begins and ends on the way from 0 to 100.
_SPANS = {
    Job.Phase.READING: (0, 55),
    Job.Phase.CHECKING: (55, 65),
    Job.Phase.WRITING: (65, 90),
    Job.Phase.REFRESHING: (90, 99),
}

_BEAT = """
update crm_job
set heartbeat_at = %s, phase = %s, done = %s, total = %s, percent = greatest(percent, %s)
where id = %s and state = 'running'
returning cancel_requested
"""


class Cancelled(Exception):
    """Somebody asked for the job to stop."""


class Progress:
    """What a running job says about itself. Use as a context manager around the work."""

    def __init__(self, job_id: int) -> None:
        self.job_id = job_id
        self.cancelled = threading.Event()
        self._phase, self._done, self._total = "", 0, 0
        self._over = threading.Event()
        self._working = connection.connection
        self._thread = threading.Thread(target=self._beat, name=f"job-{job_id}", daemon=True)

    def __enter__(self) -> "Progress":
        connection.ensure_connection()
        self._working = connection.connection
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def enter(self, phase: str) -> None:
        """A new phase begins."""
        self._phase, self._done, self._total = phase, 0, 0
        self.check()

    def measured(self, done: int, total: int) -> None:
        """How far the present phase is."""
        self._done, self._total = done, total

    def check(self) -> None:
        """Stop here if somebody asked for it; raises Cancelled."""
        if self.cancelled.is_set():
            raise Cancelled

    def _percent(self) -> int:
        start, end = _SPANS.get(self._phase, (0, 0))
        share = min(self._done / self._total, 1) if self._total else 0
        return int(start + (end - start) * share)

    def _beat(self) -> None:
        own = connection.copy()
        try:
            while not self._over.wait(EVERY_SECONDS):
                self._tell(own, timezone.now())
        finally:
            own.close()

    def _tell(self, own, now: datetime) -> None:
        values = [now, self._phase, self._done, self._total, self._percent(), self.job_id]
        try:
            with own.cursor() as cursor:
                cursor.execute(_BEAT, values)
                row = cursor.fetchone()
        except DatabaseError:
            # The work itself will notice if the database is gone; a missed beat is no harm.
            log.warning("job %s could not tell its progress", self.job_id)
            own.close()
            return
        if row and row[0] and not self.cancelled.is_set():
            self.cancelled.set()
            self._working.cancel_safe(timeout=5)
