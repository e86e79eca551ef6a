"""Where an import stands, as its page shows it."""

from dataclasses import dataclass
from typing import Any

from crm.imports.actions import is_ready
from crm.imports.models import FileImport
from crm.jobs.models import Job
from crm.jobs.reports import report_path


@dataclass(frozen=True)
class ImportState:
    """The step an import is at: mapping, working, ready, problems, done, stopped or removed."""

    step: str
    job: Job | None
    result: dict[str, Any]
    phase: str
    has_report: bool
    was_check: bool


def import_state(found: FileImport) -> ImportState:
    """Derived from the latest job; nothing of it is stored twice."""
    job = found.job
    return ImportState(
        step=_step(found, job),
        job=job,
        result=job.result if job else {},
        phase=str(job.get_phase_display()) if job and job.phase else "",
        has_report=job is not None and report_path(job) is not None,
        was_check=job is not None and job.kind == Job.Kind.IMPORT_CHECK,
    )


def _step(found: FileImport, job: Job | None) -> str:
    if job is not None and job.is_unfinished:
        return "working"
    if job is not None and job.kind == Job.Kind.IMPORT and job.state == Job.State.DONE:
        return "done"
    if found.removed_at is not None:
        return "removed"
    if job is None:
        return "mapping"
    if is_ready(job):
        return "ready"
    return "problems" if job.result.get("problems") else "stopped"
