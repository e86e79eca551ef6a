"""Sweeps of mass sends: what is due stands in the rows."""

import structlog
from celery import shared_task
from django.utils import timezone
from kombu.exceptions import OperationalError

from crm.jobs.models import Job
from crm.outreach import following, handlers, own_sends, reminders, replaying

# Workers and commands reach the handlers through this module; importing it registers them.
__all__ = ["handlers"]
log = structlog.get_logger("crm.outreach")


@shared_task
def follow_due() -> int:
    """Ask WeCom about every batch whose next question is due."""
    asked = 0
    for batch_id in following.due_batches(timezone.now()):
        asked += following.follow(batch_id, now=timezone.now())
    return asked


@shared_task
def count_own_sends() -> int:
    """Look for what agents sent of their own accord, and count who received it."""
    now = timezone.now()
    own_sends.find_own_sends(now=now)
    return own_sends.count_own_sends(now=now)


@shared_task
def remind_laggards() -> int:
    """Queue due reminders."""
    return reminders.remind_laggards(now=timezone.now())


@shared_task
def run_replay(job_id: int) -> None:
    """Carry out one replay. A second delivery finds the job claimed and leaves it."""
    replaying.run_replay(job_id, now=timezone.now())


@shared_task
def run_waiting_replays() -> None:
    """Find what a lost message would have started."""
    waiting = Job.unsafe_all.filter(state=Job.State.WAITING, kind=Job.Kind.REPLAY)
    for job_id in waiting.order_by("pk").values_list("pk", flat=True)[:5]:
        run_replay.delay(job_id)


def ring_replay(job_id: int) -> None:
    """Ask a worker to look now; without a broker the next sweep finds the job."""
    try:
        run_replay.apply_async([job_id], retry=False)
    except (OperationalError, OSError):
        log.warning("replay.doorbell_silent", job=job_id)
