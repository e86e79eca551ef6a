"""``manage.py import orders FILE``: take a file in from the command line."""

import json
import resource
import time
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone, translation

from crm.imports import mappings
from crm.imports.files import FileOutcome, take_in, write_report
from crm.ingest.kinds import ROW_KINDS
from crm.jobs.actions import Ending, create_job, run_job
from crm.jobs.models import Job
from crm.jobs.progress import Progress
from crm.jobs.reports import new_report_name, report_folder

SHOWN = 10


class Command(BaseCommand):
    help = (
        "Import a .csv or .xlsx file of customers, orders, events or routes. All rows or none: one "
        "bad row leaves everything as it was. The same file twice changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("kind", choices=list(ROW_KINDS))
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--mapping",
            default="",
            metavar="COLUMN=FIELD,…",
            help="columns with names of their own",
        )
        parser.add_argument("--dry-run", action="store_true", help="check and count, write nothing")
        parser.add_argument("--json", action="store_true", help="one line of JSON as the answer")
        parser.add_argument("--report", type=Path, help="where the row report goes")
        parser.add_argument("--language", default="en", choices=["en", "zh-hans"])

    def handle(self, *args, **options) -> None:
        path: Path = options["file"]
        if not path.is_file():
            raise CommandError(f"No such file: {path}")
        job = create_job(
            kind=Job.Kind.IMPORT_CHECK if options["dry_run"] else Job.Kind.IMPORT,
            title=path.name,
            by=None,
            params={"kind": options["kind"]},
        )
        summary: dict = {"kind": options["kind"], "file": str(path), "dry_run": options["dry_run"]}

        def work(_job: Job, progress: Progress) -> Ending:
            return self._work(path, options, summary, progress)

        begun = time.perf_counter()
        with translation.override(options["language"]):
            run_job(job.pk, work, now=timezone.now())
        job.refresh_from_db()
        summary |= {"state": job.state, "error": job.message} | job.result
        summary["seconds"] = round(time.perf_counter() - begun, 2)
        summary["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        self._tell(summary, as_json=options["json"])
        if job.state != Job.State.DONE or summary.get("problems"):
            raise SystemExit(1)

    def _work(self, path: Path, options: dict, summary: dict, progress: Progress) -> Ending:
        kind, now = ROW_KINDS[options["kind"]], timezone.now()
        result = take_in(
            path,
            options["kind"],
            now=now,
            mapping=lambda table: mappings.told(kind, table.headers, options["mapping"]),
            dry_run=options["dry_run"],
            progress=progress,
        )
        if result.outcome.problems:
            summary["report"] = str(self._report(result, options["report"], options["kind"]))
            summary["first"] = [vars(p) for p in list(result.outcome.problems)[:SHOWN]]
            return Ending.refused(result.as_json())
        return Ending(result=result.as_json())

    def _report(self, result: FileOutcome, wanted: Path | None, kind_name: str) -> Path:
        path = wanted or report_folder() / new_report_name()
        write_report(result.outcome.problems, path, ROW_KINDS[kind_name])
        return path

    def _tell(self, summary: dict, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(summary, ensure_ascii=False, default=str))
            return
        if summary.get("problems"):
            self.stdout.write(f"Nothing was changed: {summary['problems']:,} problem(s).")
            for told in summary["first"]:
                place = f"row {told['line']}, {told['field']}: {told['value']!r}"
                self.stdout.write(f"  {place}: {told['problem']}. {told['remedy']}.")
            self.stdout.write(f"Row report: {summary['report']}")
        elif summary["state"] != Job.State.DONE:
            self.stdout.write(f"Nothing was changed: {summary['error']}")
        else:
            verb = "Would change" if summary["dry_run"] else "Done"
            self.stdout.write(
                f"{verb}: {summary['rows']:,} rows: {summary['new']:,} new,"
                f" {summary['changed']:,} changed, {summary['same']:,} the same;"
                f" {summary['people']:,} people opened, {summary['facts']:,} facts appended."
            )
            for name in ("ignored_columns", "new_events"):
                if summary.get(name):
                    self.stdout.write(f"{name.replace('_', ' ')}: {', '.join(summary[name])}")
