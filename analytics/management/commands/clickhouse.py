"""Bring facts to ClickHouse and keep them there."""

import json
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import override

from analytics.clickhouse import tables
from analytics.clickhouse.connection import Warehouse, warehouse
from analytics.clickhouse.loading import Loaded, forget, load
from analytics.events.refresh import WritersBusy
from crm.datasets.actions import find_dataset
from crm.datasets.models import Dataset
from crm.shared.errors import DomainError

VERIFY_EVERY = 3_600


class Command(BaseCommand):
    requires_system_checks = ()  # They load every page; installing runs them.
    help = (
        "load: bring over the facts that are new, delete what was erased, put right what differs;"
        " rebuild: the same from nothing. CLICKHOUSE_URL names the server. With --follow it goes on"
        " until it is stopped: new facts every few seconds, everything compared every hour."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["load", "rebuild"])
        parser.add_argument("--follow", action="store_true", help="keep facts loaded until stopped")
        parser.add_argument("--every", type=float, default=10, help="seconds between two looks")
        parser.add_argument("--dataset", default="", metavar="NAME", help="load a dataset instead")
        parser.add_argument("--json", action="store_true", help="one JSON object a load")

    def handle(self, *args: Any, **options: Any) -> None:
        with override("en"):
            try:
                house = warehouse()
                dataset = find_dataset(options["dataset"]) if options["dataset"] else None
                if options["action"] == "rebuild" and dataset:
                    forget(house, dataset.pk)
                elif options["action"] == "rebuild":
                    tables.drop(house)
                self._loads(house, dataset, options)
            except DomainError as refusal:
                raise CommandError(f"{refusal.field or 'clickhouse'}: {refusal}") from refusal
            except KeyboardInterrupt:
                return

    def _loads(self, house: Warehouse, dataset: Dataset | None, options: dict[str, Any]) -> None:
        verified = -float("inf")
        while True:
            verify = time.monotonic() - verified >= VERIFY_EVERY
            try:
                done = load(house, dataset, verify=verify)
            except WritersBusy as busy:
                if not options["follow"]:
                    raise CommandError(f"{busy}; nothing is lost, load again later") from busy
                done = None
            if done:
                verified = time.monotonic() if verify else verified
                self._tell(done, as_json=options["json"])
            if not options["follow"]:
                return
            time.sleep(options["every"])

    def _tell(self, done: Loaded, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(vars(done)))
            return
        self.stdout.write(
            f"{done.facts:,} facts and {done.units:,} records brought over,"
            f" {done.deleted:,} facts deleted, {done.repaired_buckets:,} buckets put right;"
            f" facts up to {done.upto}"
        )
