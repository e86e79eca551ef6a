"""Sync with WeCom now: ``manage.py sync --full``."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from crm.sync import actions
from crm.sync.models import SyncObject, SyncRun


class Command(BaseCommand):
    help = "Read everything WeCom lists and bring our rows up to it; an interrupted run goes on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--full", action="store_true", help="all objects, whether due or not")
        parser.add_argument(
            "--object", action="append", choices=SyncObject.values, help="only this one"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["object"] or options["full"]:
            runs = actions.sync_objects(options["object"] or SyncObject.values, wait=True)
        else:
            runs = actions.sync_due_objects()
        for run in runs:
            seconds = (run.touched_at - run.started_at).total_seconds()
            self.stdout.write(
                f"{run.object:12} {run.state:8} rows={run.rows} changed={run.changed} "
                f"ended={run.ended} pages={run.pages} seconds={seconds:.1f} {run.error}"
            )
        if any(run.state != SyncRun.State.DONE for run in runs):
            raise CommandError("not everything could be synced; run again to go on")
