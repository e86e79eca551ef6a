"""A file on its way in: uploaded, matched, checked, confirmed, taken in. Each step once."""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import override

from crm.agents.actions import audit
from crm.agents.models import User
from crm.imports import limits, mappings
from crm.imports.files import FileOutcome, label_of, take_in, write_report
from crm.imports.models import FileImport
from crm.imports.readers import open_table
from crm.imports.refusals import FileRefused
from crm.ingest.kinds import RowKind
from crm.ingest.own_fields import row_kind
from crm.jobs.actions import Ending, create_job, run_job
from crm.jobs.models import Job
from crm.jobs.progress import Progress
from crm.jobs.reports import new_report_name, report_folder
from crm.shared.errors import DomainError
from crm.shared.text import clean_text

SAMPLE_ROWS = 5
FIRST_PROBLEMS = 20
KEPT_FOR = timedelta(hours=24)


class ImportRefused(DomainError):
    """The import is not at the step that was asked for."""


def stored_path(file_import: FileImport) -> Path:
    """Where the uploaded file lies, under a name of our own."""
    return Path(settings.MEDIA_ROOT) / "imports" / file_import.stored_name


def start_import(*, kind: str, upload: UploadedFile, by: User, now: datetime) -> FileImport:
    """Keep an upload and read its header; raises FileRefused for what is no table."""
    if upload.size > limits.MAX_CSV_BYTES:
        raise FileRefused(
            _("文件超过 %(limit)s MB：请拆成几个文件") % {"limit": limits.MAX_CSV_BYTES >> 20},
            field="file",
        )
    name = clean_text(Path(upload.name or "").name, limit=255) or _("未命名文件")
    found = FileImport(
        kind=kind,
        owner=by,
        file_name=name,
        stored_name=secrets.token_urlsafe(24),
        size=upload.size,
    )
    path = stored_path(found)
    _keep(upload, path)
    try:
        with open_table(path, row_kind(kind)) as table:
            found.headers = table.headers
            found.sample = [_shown(cells) for _n, cells in islice(table.rows, SAMPLE_ROWS)]
    except FileRefused:
        path.unlink()
        raise
    found.signature = mappings.signature(found.headers)
    found.mapping = mappings.proposed(row_kind(kind), found.headers)
    found.save()
    audit(by, "import.upload", found, now=now, kind=kind, size=upload.size)
    return found


def _keep(upload: UploadedFile, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for chunk in upload.chunks():
            file.write(chunk)


def _shown(cells) -> list[str]:
    return ["" if cell is None else clean_text(str(cell), limit=40) for cell in cells]


def check_import(
    *, file_import: FileImport, mapping: Mapping[str, str], by: User, now: datetime
) -> Job:
    """Match the columns and have the whole file checked, without changing anything."""
    kind = row_kind(file_import.kind)
    mappings.layout(kind, file_import.headers, mapping)
    with transaction.atomic():
        found = _locked(file_import)
        if found.job is not None and found.job.is_unfinished:
            raise ImportRefused(_("正在处理中，请等它结束或先取消"))
        if found.job is not None and found.job.kind == Job.Kind.IMPORT and _is_done(found.job):
            raise ImportRefused(_("这个文件已经导入过了"))
        if found.removed_at is not None:
            raise ImportRefused(_("文件已按期删除，请重新上传"))
        found.mapping = dict(mapping)
        found.job = _job(found, Job.Kind.IMPORT_CHECK, by)
        found.save(update_fields=["mapping", "job", "updated_at"])
        mappings.remember(kind, found.headers, mapping)
    return found.job


def apply_import(*, file_import: FileImport, by: User, now: datetime) -> Job:
    """Take the checked file in; only after a check that found nothing wrong."""
    with transaction.atomic():
        found = _locked(file_import)
        job = found.job
        if job is None or not is_ready(job):
            raise ImportRefused(_("请先检查文件，没有问题才能导入"))
        if found.removed_at is not None:
            raise ImportRefused(_("文件已按期删除，请重新上传"))
        found.job = _job(found, Job.Kind.IMPORT, by)
        found.save(update_fields=["job", "updated_at"])
        audit(by, "import.apply", found, now=now, kind=found.kind, rows=job.result.get("rows"))
    return found.job


def is_ready(job: Job) -> bool:
    """Whether a check has ended well, so that the file may be taken in."""
    checked = job.kind == Job.Kind.IMPORT_CHECK and _is_done(job)
    return checked and not job.result.get("problems") and bool(job.result.get("rows"))


def _is_done(job: Job) -> bool:
    return job.state == Job.State.DONE


def _locked(file_import: FileImport) -> FileImport:
    """The row as it is now; two clicks come one after the other."""
    rows = FileImport.unsafe_all.select_for_update(of=("self",)).select_related("job")
    return rows.get(pk=file_import.pk)


def _job(file_import: FileImport, kind: str, by: User) -> Job:
    page = reverse("crm:imports:detail", args=[file_import.pk])
    params = {"import_id": file_import.pk}
    return create_job(kind=kind, title=file_import.file_name, by=by, params=params, page=page)


def run_import(job_id: int, *, now: datetime) -> bool:
    """Do the work of a waiting check or import; False if there is nothing to do any more."""
    owner = User.objects.filter(jobs=job_id).first()
    with override(owner.language if owner else None):
        return run_job(job_id, _work, now=now)


def _work(job: Job, progress: Progress) -> Ending:
    found = FileImport.unsafe_all.get(pk=job.params["import_id"])
    path = stored_path(found)
    if not path.is_file():
        raise ImportRefused(_("文件已按期删除，请重新上传"))
    dry_run = job.kind == Job.Kind.IMPORT_CHECK
    result = take_in(
        path,
        found.kind,
        now=job.started_at,
        mapping=found.mapping,
        dry_run=dry_run,
        progress=progress,
        by=found.owner,
    )
    return _ending(result, row_kind(found.kind), dry_run=dry_run)


def _ending(result: FileOutcome, kind: RowKind, *, dry_run: bool) -> Ending:
    problems, summary = result.outcome.problems, result.as_json()
    if not problems:
        return Ending(result=summary)
    report = new_report_name()
    write_report(problems, report_folder() / report, kind)
    summary["first"] = [
        vars(problem) | {"label": label_of(kind, problem.field)}
        for problem in problems.kept[:FIRST_PROBLEMS]
    ]
    if dry_run:
        return Ending(result=summary, report=report)
    return Ending.refused(summary, report)


def remove_old_files(*, now: datetime) -> int:
    """Delete uploaded files and samples a day after the last step; returns how many."""
    old = FileImport.unsafe_all.filter(removed_at=None, updated_at__lt=now - KEPT_FOR).exclude(
        job__state__in=Job.UNFINISHED
    )
    removed = 0
    for found in old:
        stored_path(found).unlink(missing_ok=True)
        removed += FileImport.unsafe_all.filter(pk=found.pk).update(removed_at=now, sample=[])
    return removed
