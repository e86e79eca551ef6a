"""Pull the chat archive now: ``manage.py pull_archive --json``."""

import json
import time
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from crm.archive import actions
from crm.archive.consent import ask_consents
from crm.archive.queries import archive_health


class Command(BaseCommand):
    requires_system_checks = ()  # They load every page; installing runs them.
    help = "Fetch new messages of the chat archive and their files, until there are no more."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object")
        parser.add_argument("--limit", type=int, default=1000, help="messages per call (1 to 1000)")
        parser.add_argument("--no-media", action="store_true", help="messages only")
        parser.add_argument(
            "--consents", action="store_true", help="only ask who has agreed, and fetch nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["limit"] <= 1000:
            raise CommandError("--limit must be between 1 and 1000")
        if options["consents"]:
            told = {"consents": ask_consents(now=timezone.now())}
            self.stdout.write(
                json.dumps(told) if options["json"] else f"consents={told['consents']}"
            )
            return
        started = time.perf_counter()
        try:
            pulled = actions.pull_everything(
                limit=options["limit"], media=not options["no_media"], to_the_end=True
            )
        except actions.PullBusy as busy:
            raise CommandError(str(busy)) from busy
        health = archive_health(timezone.now())
        told = asdict(pulled) | {
            "seconds": round(time.perf_counter() - started, 3),
            "lag_seconds": round(health.lag.total_seconds()) if health and health.lag else 0,
        }
        if options["json"]:
            self.stdout.write(json.dumps(told, cls=DjangoJSONEncoder))
        else:
            self.stdout.write(" ".join(f"{name}={value}" for name, value in told.items()))
        if pulled.error:
            raise CommandError(f"the pull ended early: {pulled.error}")
