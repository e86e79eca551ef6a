"""Jobs as the pages show them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from crm.jobs.models import Job


@dataclass(frozen=True)
class JobRow:
    """One line of the list. Of others' jobs an admin sees that they exist, not what is in them."""

    id: int
    kind: str
    title: str
    owner: str
    is_mine: bool
    state: str
    level: str
    percent: int
    phase: str
    message: str
    started_at: datetime | None
    finished_at: datetime | None
    took: timedelta | None
    page: str
    has_report: bool
    can_cancel: bool
    is_running: bool


def job_rows(jobs: Iterable[Job], user: Any) -> list[JobRow]:
    """Finished rows for the list; ``jobs`` come with their owners."""
    return [_row(job, user) for job in jobs]


def _row(job: Job, user: Any) -> JobRow:
    mine = job.owner_id == user.pk
    ended = job.finished_at or job.heartbeat_at
    return JobRow(
        id=job.pk,
        kind=str(job.get_kind_display()),
        title=job.title if mine else "",
        owner=job.owner.get_full_name() if job.owner else "",
        is_mine=mine,
        state=str(job.get_state_display()),
        level=job.level,
        percent=job.percent,
        phase=str(job.get_phase_display()) if job.phase else "",
        message=job.message if mine else "",
        started_at=job.started_at or job.created_at,
        finished_at=job.finished_at,
        took=ended - job.started_at if job.started_at and ended else None,
        page=job.page if mine else "",
        has_report=mine and bool(job.report),
        can_cancel=mine and job.is_unfinished and not job.cancel_requested,
        is_running=job.state == Job.State.RUNNING,
    )


def unfinished_count(user: Any) -> int:
    """How many of the user's own jobs wait or run."""
    return Job.objects.for_user(user).owned_by(user).unfinished().count()
