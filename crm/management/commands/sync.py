"""Sync with WeCom now: ``manage.py sync --full``."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from crm.sync import actions, reconciling
from crm.sync.models import Reconcile, SyncObject, SyncRun


class Command(BaseCommand):
    requires_system_checks = ()  # They load every page; installing runs them.
    help = "Read everything WeCom lists and bring our rows up to it; an interrupted run goes on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--full", action="store_true", help="reconcile all objects and tell what was repaired"
        )
        parser.add_argument(
            "--object", action="append", choices=SyncObject.values, help="only this one"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object on one line")

    def handle(self, *args: Any, **options: Any) -> None:
        report = None
        if options["object"]:
            runs = actions.sync_objects(options["object"], wait=True)
        elif options["full"]:
            report = reconciling.reconcile_all(trigger=Reconcile.Trigger.COMMAND, wait=True)
            runs = list(report.runs)
        else:
            runs = actions.sync_due_objects()
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(runs, report), ensure_ascii=False))
        else:
            self._tell(runs, report)
        if any(run.state != SyncRun.State.DONE for run in runs):
            raise CommandError("not everything could be synced; run again to go on")

    def _tell(self, runs: list[SyncRun], report: reconciling.Report | None) -> None:
        for run in runs:
            seconds = (run.touched_at - run.started_at).total_seconds()
            self.stdout.write(
                f"{run.object:12} {run.state:8} rows={run.rows} changed={run.changed} "
                f"ended={run.ended} repaired={run.repaired} remote={run.remote_rows} "
                f"local={run.local_rows} pages={run.pages} seconds={seconds:.1f} {run.error}"
            )
        for kind, number in report.repairs.items() if report else ():
            self.stdout.write(f"repaired     {kind}={number}")


def _as_json(runs: list[SyncRun], report: reconciling.Report | None) -> dict[str, Any]:
    return {
        "runs": [
            {
                "object": run.object,
                "state": run.state,
                "rows": run.rows,
                "changed": run.changed,
                "ended": run.ended,
                "repaired": run.repaired,
                "remote": run.remote_rows,
                "local": run.local_rows,
                "remains": run.remains,
                "seconds": (run.touched_at - run.started_at).total_seconds(),
                "error": run.error,
            }
            for run in runs
        ],
        "repaired": report.repairs if report else {},
        "recomputed": report.reconcile.derived if report else 0,
    }
