"""List datasets, or drop one."""

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Count, Max, Min
from django.utils.translation import override

from analytics.clickhouse import loading
from analytics.clickhouse.connection import warehouse
from analytics.events.datasets import forget
from crm.datasets.actions import find_dataset
from crm.datasets.models import Dataset
from crm.shared.errors import DomainError


class Command(BaseCommand):
    requires_system_checks = ()  # They load every page; installing runs them.
    help = (
        "List the datasets that import events FILE --dataset NAME has made, or drop one with "
        "everything it holds, its column files and its copy in ClickHouse too."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--drop", metavar="NAME", help="forget this dataset")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        body: dict[str, Any] = {}
        if options["drop"]:
            with override("en"):
                try:
                    body = {"dropped": options["drop"], "events": _drop(options["drop"])}
                except DomainError as refusal:
                    raise CommandError(f"dataset: {refusal}") from refusal
        body["datasets"] = [_described(dataset) for dataset in Dataset.objects.all()]
        if options["json"]:
            self.stdout.write(json.dumps(body, ensure_ascii=False, default=str))
            return
        if options["drop"]:
            self.stdout.write(f"Dropped {body['dropped']}: {body['events']:,} events")
        for row in body["datasets"]:
            self.stdout.write(
                f"{row['name']:<24}{row['events']:>12,} events of {row['units']:,} units,"
                f" {row['first']} to {row['last']}"
            )


def _drop(name: str) -> int:
    """Drop it in the warehouse first: where that fails it can be dropped again."""
    dataset = find_dataset(name)
    if settings.CLICKHOUSE_URL:
        loading.forget(warehouse(), dataset.pk)
    return forget(name)


def _described(dataset: Dataset) -> dict[str, Any]:
    span = dataset.facts.aggregate(n=Count("pk"), first=Min("at"), last=Max("at"))
    return {
        "name": dataset.name,
        "events": span["n"],
        "units": dataset.units.count(),
        "kinds": list(dataset.kinds.order_by("code").values_list("code", flat=True)),
        "first": span["first"],
        "last": span["last"],
        "imported_at": dataset.changed_at,
    }
