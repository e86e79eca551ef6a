"""Creating, claiming, running and ending jobs."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.agents.models import User
from crm.jobs.models import Job
from crm.jobs.progress import Cancelled, Progress
from crm.shared import faults
from crm.shared.errors import DomainError

SILENT_FOR = timedelta(minutes=2)
log = logging.getLogger(__name__)


class JobRefused(DomainError):
    """The job cannot do that now."""


@dataclass(frozen=True)
class Ending:
    """How a job ended, in its own transaction with the work."""

    state: str = Job.State.DONE
    message: str = ""
    result: dict[str, Any] = field(default_factory=dict)
    report: str = ""

    @classmethod
    def refused(cls, result: dict[str, Any], report: str = "") -> "Ending":
        """The work looked at everything and changed nothing, because something is wrong."""
        return cls(Job.State.FAILED, _("有问题的行见逐行报告，未做任何改动"), result, report)


def create_job(
    *, kind: str, title: str, by: User | None, params: dict[str, Any] | None = None, page: str = ""
) -> Job:
    """A waiting job; a worker will claim it."""
    return Job.unsafe_all.create(
        kind=kind, title=title[:255], owner=by, params=params or {}, page=page
    )


def claim_job(job_id: int, *, now: datetime) -> Job | None:
    """The job, if it was waiting and is now ours; None if another has it or it was cancelled."""
    waiting = Job.unsafe_all.filter(pk=job_id, state=Job.State.WAITING)
    if not waiting.update(state=Job.State.RUNNING, started_at=now, heartbeat_at=now):
        return None
    return Job.unsafe_all.get(pk=job_id)


def run_job(job_id: int, work: Callable[[Job, Progress], Ending], *, now: datetime) -> bool:
    """Claim and run a job; what ``work`` writes and the end of the job commit together.

    Returns False if the job was not there to be claimed. Unexpected errors end the job as failed
    and are raised.
    """
    job = claim_job(job_id, now=now)
    if job is None:
        return False
    faults.point("jobs.claimed")
    with Progress(job.pk) as progress:
        try:
            with transaction.atomic():
                _end(job, work(job, progress))
                faults.point("jobs.before_end")
        except Cancelled:
            _end(job, Ending(Job.State.CANCELLED, _("已取消，未做任何改动")))
        except DomainError as refusal:
            _end(job, Ending(Job.State.FAILED, str(refusal)))
        except DatabaseError:
            if not progress.cancelled.is_set():
                _end(job, _unexpected(job))
                raise
            _end(job, Ending(Job.State.CANCELLED, _("已取消，未做任何改动")))
        except Exception:
            _end(job, _unexpected(job))
            raise
    return True


def _unexpected(job: Job) -> Ending:
    log.exception("job %s failed", job.pk)
    message = _("出现意外错误，未做任何改动。请把编号 J%(number)s 告诉管理员")
    return Ending(Job.State.FAILED, message % {"number": job.pk})


def _end(job: Job, ending: Ending) -> None:
    done = ending.state == Job.State.DONE
    Job.unsafe_all.filter(pk=job.pk, state=Job.State.RUNNING).update(
        state=ending.state,
        message=ending.message[:512],
        result=ending.result,
        report=ending.report,
        finished_at=timezone.now(),
        **({"percent": 100} if done else {}),
    )


def cancel_job(*, job: Job, by: User, now: datetime) -> None:
    """Stop a job: at once if it still waits, at its next step if it runs; raises JobRefused."""
    waiting = Job.unsafe_all.filter(pk=job.pk, state=Job.State.WAITING)
    if waiting.update(
        state=Job.State.CANCELLED, cancel_requested=True, finished_at=now, message=_("已取消")
    ):
        return
    running = Job.unsafe_all.filter(pk=job.pk, state=Job.State.RUNNING)
    if not running.update(cancel_requested=True):
        raise JobRefused(_("作业已经结束，无法取消"))


def interrupt_silent_jobs(*, now: datetime) -> int:
    """Mark running jobs whose process no longer beats; returns how many."""
    silent = Job.unsafe_all.filter(state=Job.State.RUNNING, heartbeat_at__lt=now - SILENT_FOR)
    return silent.update(state=Job.State.INTERRUPTED, finished_at=now)
