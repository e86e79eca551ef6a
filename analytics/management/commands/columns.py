"""Look after the column snapshot."""

from importlib import import_module
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from analytics.events.compiling import mark_compiled
from analytics.events.refresh import WritersBusy, refresh, sound_snapshot
from analytics.events.snapshots import Snapshot, damaged_files, size_on_disk


class Command(BaseCommand):
    requires_system_checks = ()  # They load every page; installing runs them.
    help = (
        "rebuild: write all columns anew; refresh: only what changed; verify: check sums; status;"
        " compile: make the funnel kernel ready, so that the first question does not wait."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["rebuild", "refresh", "verify", "status", "compile"])

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        if action == "compile":
            import_module("analytics.events.warmup").warm_up()
            mark_compiled()
            return
        if action in ("rebuild", "refresh"):
            try:
                snapshot = refresh(everything=action == "rebuild", wait_seconds=600)
            except WritersBusy as busy:
                raise CommandError(f"{busy}; the last snapshot stays in use") from busy
            if snapshot is None:
                raise CommandError("another process is writing a snapshot; try again when it ended")
        else:
            snapshot = sound_snapshot()
            if snapshot is None:
                raise CommandError("there is no sound snapshot; run: columns rebuild")
        if action == "verify" and (damaged := list(damaged_files(snapshot))):
            raise CommandError("damaged, run columns rebuild: " + ", ".join(damaged))
        self.stdout.write(_described(snapshot))


def _described(snapshot: Snapshot) -> str:
    size = size_on_disk(snapshot)
    return (
        f"{snapshot.version}: {snapshot.events} events of"
        f" {snapshot.manifest['customers']} customers in {len(snapshot.buckets)} buckets,"
        f" {size / 1e6:.1f} MB ({size / max(snapshot.events, 1):.2f} bytes per event),"
        f" facts up to {snapshot.upto}, data time {snapshot.data_time.isoformat()}"
    )
