"""Answer a transition question on the command line, with the same code as page and API."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import override

from analytics.management.sources import add_dataset_argument, add_engine_argument, source_named
from analytics.transitions.answer import TransitionAnswer
from analytics.transitions.queries import ask, stages_by_key
from analytics.transitions.question import transition_from
from crm.shared.errors import DomainError


class Command(BaseCommand):
    requires_system_checks = ()  # They load every page; installing runs them.
    help = (
        "Count who went from which stage to which between the ends of two days; the counts sum to "
        "all customers. Example: transitions --from 2026-10-31 --to 2026-11-30 --json"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--from", dest="since", required=True, help="first date, 2026-10-31")
        parser.add_argument("--to", dest="until", required=True, help="second date")
        parser.add_argument(
            "--by",
            default="loyalty",
            help="loyalty (unknown, passer_by, single, regular by days with an order; default) or"
            " life (the five life stages)",
        )
        parser.add_argument(
            "--event", help="the event that is an order, with [filters] (default order_paid)"
        )
        parser.add_argument("--levels", action="store_true", help="add both stages of each unit")
        add_dataset_argument(parser)
        add_engine_argument(parser)
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        names = {"from": "since", "to": "until", "by": "by", "event": "event"}
        with override("en"):
            try:
                question = transition_from({name: options[at] for name, at in names.items()})
                source = source_named(options["dataset"], options["engine"])
                answer = ask(question, user=None, source=source)
                body = answer.as_json()
                if options["levels"]:
                    body["levels"] = stages_by_key(question, source=source)
            except DomainError as refusal:
                raise CommandError(f"{refusal.field or 'question'}: {refusal}") from refusal
        if options["json"]:
            self.stdout.write(json.dumps(body, ensure_ascii=False))
        else:
            self.stdout.write(_as_table(answer))


def _as_table(answer: TransitionAnswer) -> str:
    stages = answer.question.stages
    lines = [f"{'from / to':<16}" + "".join(f"{name:>14}" for name in (*stages, "all"))]
    for i, name in enumerate(stages):
        row = [*answer.counts[i], answer.counts[i].sum()]
        lines.append(f"{name:<16}" + "".join(f"{count:>14}" for count in row))
    row = [*answer.counts.sum(axis=0), answer.customers]
    lines.append(f"{'all':<16}" + "".join(f"{count:>14}" for count in row))
    lines.append(f"data time {answer.data_time.isoformat()}")
    return "\n".join(lines)
