"""``manage.py import orders FILE``: take a file in from the command line."""

import json
import resource
import time
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone, translation

from crm.datasets.actions import DatasetOutcome, take_into_dataset
from crm.datasets.rows import DATASET
from crm.imports import mappings
from crm.imports.files import FileOutcome, take_in, write_report
from crm.ingest.kinds import ROW_KINDS, RowKind
from crm.ingest.own_fields import row_kind
from crm.ingest.problems import Problems
from crm.jobs.actions import Ending, create_job, run_job
from crm.jobs.models import Job
from crm.jobs.progress import Progress
from crm.jobs.reports import new_report_name, report_folder

SHOWN = 10


class Command(BaseCommand):
    requires_system_checks = ()  # They load every page; installing runs them.
    help = (
        "Import a .csv, .xlsx or .jsonl file of customers, orders, events, routes or members. All "
        "rows or none: one bad row leaves everything as it was. The same file twice changes "
        "nothing. With --dataset NAME events stay apart from the live data: columns unit, event, "
        "at and perhaps event_id (or their usual names), every other column is a property; then "
        "ask funnel, retention and transitions with the same --dataset."
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
        parser.add_argument(
            "--dataset", default="", metavar="NAME", help="keep events apart, under this name"
        )
        parser.add_argument("--dry-run", action="store_true", help="check and count, write nothing")
        parser.add_argument("--json", action="store_true", help="one line of JSON as the answer")
        parser.add_argument("--report", type=Path, help="where the row report goes")
        parser.add_argument("--language", default="en", choices=["en", "zh-hans"])

    def handle(self, *args, **options) -> None:
        path: Path = options["file"]
        if not path.is_file():
            raise CommandError(f"No such file: {path}")
        if options["dataset"] and options["kind"] != "events":
            raise CommandError("dataset: only events can be kept apart; use: import events FILE")
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
        kind = DATASET if options["dataset"] else row_kind(options["kind"])
        result, problems = self._taken(path, kind, options, progress)
        if problems:
            summary["report"] = str(self._report(problems, options["report"], kind))
            summary["first"] = [vars(p) for p in list(problems)[:SHOWN]]
            return Ending.refused(result.as_json())
        return Ending(result=result.as_json())

    def _taken(
        self, path: Path, kind: RowKind, options: dict, progress: Progress
    ) -> tuple[FileOutcome | DatasetOutcome, Problems]:
        how = {
            "now": timezone.now(),
            "mapping": lambda table: mappings.told(kind, table.headers, options["mapping"]),
            "dry_run": options["dry_run"],
            "progress": progress,
        }
        if options["dataset"]:
            result = take_into_dataset(path, options["dataset"], **how)
            return result, result.problems
        result = take_in(path, options["kind"], **how)
        return result, result.outcome.problems

    def _report(self, problems: Problems, wanted: Path | None, kind: RowKind) -> Path:
        path = wanted or report_folder() / new_report_name()
        write_report(problems, path, kind)
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
            say = self._of_dataset if "dataset" in summary else self._of_rows
            self.stdout.write(f"{verb}: {summary['rows']:,} rows: {say(summary)}")
            for name in ("ignored_columns", "new_events"):
                if summary.get(name):
                    self.stdout.write(f"{name.replace('_', ' ')}: {', '.join(summary[name])}")

    def _of_rows(self, summary: dict) -> str:
        return (
            f"{summary['new']:,} new, {summary['changed']:,} changed, {summary['same']:,} the same;"
            f" {summary['people']:,} people opened, {summary['facts']:,} facts appended."
        )

    def _of_dataset(self, summary: dict) -> str:
        names = ", ".join(summary["events"][:SHOWN])
        return (
            f"{summary['new']:,} new, {summary['same']:,} already there, of {summary['units']:,}"
            f" units, in dataset {summary['dataset']}; events: {names}"
        )
