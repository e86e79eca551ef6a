"""Prove that the standing figures say what the facts say, or make them so."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from analytics.standing.actions import merge_cubes
from analytics.standing.proof import prove


class Command(BaseCommand):
    requires_system_checks = ()  # They load every page; installing runs them.
    help = (
        "prove: hold cubes, state and a full fold of the facts against one another (exit 1 on"
        " drift); rebuild: the same, and repair what differs; merge: add up appended differences."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["prove", "rebuild", "merge"])
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        if action == "merge":
            self.stdout.write(json.dumps({"merged": merge_cubes()}))
            return
        proof = prove(now=timezone.now(), repair=action == "rebuild")
        seconds = (proof.finished_at - proof.started_at).total_seconds()
        found = {
            "customers": proof.customers,
            "drift": proof.total_drift,
            "by": proof.drift,
            "repaired": proof.is_repaired,
            "seconds": round(seconds, 2),
        }
        if options["json"]:
            self.stdout.write(json.dumps(found))
        else:
            for name, value in found.items():
                self.stdout.write(f"{name:<12}{value}")
        if proof.total_drift and not proof.is_repaired:
            raise CommandError("standing figures differ from the facts; run: standing rebuild")
