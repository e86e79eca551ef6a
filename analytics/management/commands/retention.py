"""Answer a retention question on the command line, with the same code as page and API."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import override

from analytics.management.sources import add_dataset_argument, add_engine_argument, source_named
from analytics.retention.answer import RetentionAnswer
from analytics.retention.parsing import retention_from
from analytics.retention.queries import ask
from crm.shared.errors import DomainError


class Command(BaseCommand):
    requires_system_checks = ()  # They load every page; installing runs them.
    help = (
        "Count who comes back, cohort by cohort. Example: retention --birth order_paid "
        "--return order_paid --period week --kind on"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--birth", required=True, help="event that makes the cohort, [filters]")
        parser.add_argument(
            "--return", dest="comes_back", required=True, help="event that counts as a return"
        )
        parser.add_argument("--period", default="week", help="day, week or month")
        parser.add_argument("--kind", default="on", help="on, on_or_after or bracket")
        parser.add_argument(
            "--brackets", help="last day of each bracket, 1,3,7 = days 1, 2-3, 4-7 (kind bracket)"
        )
        modes = parser.add_mutually_exclusive_group()
        modes.add_argument(
            "--rolling", dest="mode", action="store_const", const="rolling",
            help="periods of 1, 7 or 30 days from the birth day on (default)",
        )  # fmt: skip
        modes.add_argument(
            "--calendar", dest="mode", action="store_const", const="calendar",
            help="calendar days, weeks (Monday) or months",
        )  # fmt: skip
        parser.add_argument("--from", dest="since", help="first day of birth, 2026-11-01")
        parser.add_argument("--to", dest="until", help="last day of birth, included")
        parser.add_argument("--as-of", help="leave out later events; a day means its end")
        add_dataset_argument(parser)
        add_engine_argument(parser)
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        values = {
            "birth": options["birth"],
            "return": options["comes_back"],
            "period": options["period"],
            "kind": options["kind"],
            "mode": options["mode"],
            "brackets": options["brackets"],
            "from": options["since"],
            "to": options["until"],
            "as_of": options["as_of"],
        }
        with override("en"):
            try:
                source = source_named(options["dataset"], options["engine"])
                answer = ask(retention_from(values), user=None, source=source)
            except DomainError as refusal:
                raise CommandError(f"{refusal.field or 'question'}: {refusal}") from refusal
        if options["json"]:
            self.stdout.write(json.dumps(answer.as_json(), ensure_ascii=False))
        else:
            self.stdout.write(_as_table(answer))


def _as_table(answer: RetentionAnswer) -> str:
    periods = range(len(answer.totals))
    lines = [f"{'cohort':<12}{'size':>9}" + "".join(f"{j:>8}" for j in periods)]
    batches = [(str(c.start), c.size, c.cells) for c in answer.cohorts]
    for name, size, cells in [*batches, ("all", answer.size, answer.totals)]:
        shares = ["-" if rate.value is None else f"{rate.value:.1%}" for rate in cells]
        lines.append(f"{name:<12}{size:>9}" + "".join(f"{share:>8}" for share in shares))
    lines.append(f"data time {answer.data_time.isoformat()}")
    return "\n".join(lines)
