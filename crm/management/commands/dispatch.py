"""Work off the outbox: ``manage.py dispatch --once``, or keep going until stopped."""

import time
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from crm.outbox import dispatcher

PAUSE_SECONDS = 1.0


class Command(BaseCommand):
    requires_system_checks = ()  # They load every page; installing runs them.
    help = "Carry out due outbox items (moments, reminders, cancellations)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="stop when nothing is due")
        parser.add_argument("--limit", type=int, default=200, help="steps per round")
        parser.add_argument("--at", help="pretend that it is this instant (ISO 8601 with offset)")

    def handle(self, *args: Any, **options: Any) -> None:
        at = _instant(options["at"]) if options["at"] else None

        def clock() -> datetime:
            return at or timezone.now()

        worked = dispatcher.dispatch(clock=clock, limit=options["limit"])
        self.stdout.write(f"{worked} steps")
        while not options["once"]:
            time.sleep(PAUSE_SECONDS)
            if worked := dispatcher.dispatch(clock=clock, limit=options["limit"]):
                self.stdout.write(f"{worked} steps")


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"--at: {error}") from error
    if at.tzinfo is None:
        raise CommandError("--at needs an offset, such as 2026-11-18T09:00:00+08:00")
    return at
