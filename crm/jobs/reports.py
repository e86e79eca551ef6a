"""Row reports as files: names of our own making, read only by the owner, gone after a day."""

import secrets
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings

from crm.jobs.models import Job

KEPT_FOR = timedelta(hours=24)


def report_folder() -> Path:
    """Where reports lie."""
    return Path(settings.MEDIA_ROOT) / "reports"


def new_report_name() -> str:
    """A file name that nobody can guess."""
    return f"{secrets.token_urlsafe(24)}.csv"


def report_path(job: Job) -> Path | None:
    """The file of a job's report, while it is kept."""
    if not job.report:
        return None
    path = report_folder() / Path(job.report).name
    return path if path.is_file() else None


def remove_old_reports(*, now: datetime) -> int:
    """Delete reports of jobs that ended more than a day ago; returns how many."""
    old = Job.unsafe_all.exclude(report="").filter(finished_at__lt=now - KEPT_FOR)
    removed = 0
    for job in old:
        if path := report_path(job):
            path.unlink()
        removed += Job.unsafe_all.filter(pk=job.pk).update(report="")
    return removed
