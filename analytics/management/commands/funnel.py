"""Answer a funnel question on the command line, with the same code as page and API."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import override

from analytics.funnels.answer import Answer
from analytics.funnels.parsing import question_from, split_steps
from analytics.funnels.queries import ask, level_of_each
from analytics.management.sources import add_dataset_argument, add_engine_argument, source_named
from crm.shared.errors import DomainError


class Command(BaseCommand):
    requires_system_checks = ()  # They load every page; installing runs them.
    help = (
        "Count who reached each step of a funnel. Example: funnel --steps "
        "'friend_added,group_joined,order_paid[amount>=2000]' --window 30d --breakdown channel"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--steps", required=True, help="event codes, optionally with [filters]")
        parser.add_argument("--window", help="30d, 12h, 90m, 10s (default 30d)")
        parser.add_argument(
            "--step-window", help="longest time between steps: 1d, or one each: 1d,12h"
        )
        parser.add_argument("--min-gap", help="shortest time between steps, like --step-window")
        parser.add_argument(
            "--order",
            default="ordered",
            help="ordered, strict_increase, any, or strict (no other event in between)",
        )
        parser.add_argument("--entry", default="any", help="any or first")
        parser.add_argument("--unit", default="customer", help="customer or property:session_id")
        parser.add_argument("--totals", action="store_true", help="count attempts, not units")
        parser.add_argument(
            "--exclude",
            action="append",
            default=[],
            metavar="EVENT",
            help="may not happen between the steps, or between two of them: complained@2-3",
        )
        parser.add_argument("--hold", help="a property that must be the same on all steps")
        parser.add_argument("--value", help="sum this at each step: amount, or a property")
        parser.add_argument("--compare", help="previous: the period of equal length before")
        parser.add_argument("--from", dest="since", help="first entry day, 2026-11-01")
        parser.add_argument("--to", dest="until", help="last entry day, included")
        parser.add_argument("--as-of", help="leave out later events; a day means its end")
        parser.add_argument(
            "--breakdown",
            help="channel, team, agent, stage, week, property:NAME; @last or @2 reads the last or"
            " second step; two with a comma",
        )
        parser.add_argument(
            "--filter", action="append", default=[], metavar="NAME=VALUE", help="e.g. channel=expo"
        )
        parser.add_argument("--levels", action="store_true", help="add the level of each unit")
        add_dataset_argument(parser)
        add_engine_argument(parser)
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        with override("en"):
            try:
                question = question_from(self._values(options))
                source = source_named(options["dataset"], options["engine"])
                answer = ask(question, user=None, source=source)
                body = answer.as_json()
                if options["levels"]:
                    body["levels"] = level_of_each(question, user=None, source=source)
            except DomainError as refusal:
                raise CommandError(f"{refusal.field or 'question'}: {refusal}") from refusal
        if options["json"]:
            self.stdout.write(json.dumps(body, ensure_ascii=False))
        else:
            self.stdout.write(_as_table(answer))

    def _values(self, options: dict[str, Any]) -> dict[str, Any]:
        filters: dict[str, list[str]] = {}
        for text in options["filter"]:
            name, _equals, value = text.partition("=")
            filters.setdefault(name, []).append(value)
        return {
            "steps": options["steps"],
            "window": options["window"],
            "order": options["order"],
            "entry": options["entry"],
            "step_window": options["step_window"],
            "min_gap": options["min_gap"],
            "unit": options["unit"],
            "count": "totals" if options["totals"] else "unique",
            "exclude": [part for text in options["exclude"] for part in split_steps(text)],
            "hold": options["hold"],
            "value": options["value"],
            "compare": options["compare"],
            "from": options["since"],
            "to": options["until"],
            "as_of": options["as_of"],
            "breakdown": options["breakdown"],
            "filters": filters,
        }


def _as_table(answer: Answer) -> str:
    lines = [
        f"{'step':<40}{'reached':>10}{'converted':>10}{'dropped':>10}{'open':>10}{'of first':>10}"
    ]
    for step in answer.steps:
        share = step.of_first.value
        lines.append(
            f"{step.step:<40}{step.reached:>10}{step.converted:>10}{step.dropped:>10}"
            f"{step.open:>10}{'-' if share is None else format(share, '.1%'):>10}"
        )
    lines.append(f"data time {answer.data_time.isoformat()}")
    return "\n".join(lines)
