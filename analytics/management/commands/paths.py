"""Answer a path question on the command line, with the same code as page and API."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import override

from analytics.management.sources import add_dataset_argument, add_engine_argument, source_named
from analytics.paths.answer import PathAnswer
from analytics.paths.queries import ask
from analytics.paths.question import FIELDS, path_from
from crm.shared.errors import DomainError


class Command(BaseCommand):
    requires_system_checks = ()  # They load every page; installing runs them.
    help = (
        "Count what happens after an event, or before it. Example: paths --event friend_added "
        "--window 7d --depth 3 --json"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--event", required=True, help="the event to look from, [filters]")
        parser.add_argument("--direction", default="after", help="after (default) or before")
        parser.add_argument("--window", default="7d", help="how far to look: 7d, 12h, 90m, 10s")
        parser.add_argument("--depth", default="3", help="places on a path, 1 to 6")
        parser.add_argument("--top", default="6", help="events shown at each place, 1 to 20")
        parser.add_argument("--ignore", default="", help="events to pass over: a,b,c")
        parser.add_argument(
            "--repeats", action="store_true", help="the same event in a row is several places"
        )
        parser.add_argument("--from", help="first day of the event, 2026-11-01")
        parser.add_argument("--to", help="last day of the event, included")
        parser.add_argument("--as-of", help="leave out later events; a day means its end")
        add_dataset_argument(parser)
        add_engine_argument(parser)
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        with override("en"):
            try:
                question = path_from({name: options[name] for name in FIELDS})
                answer = ask(
                    question, user=None, source=source_named(options["dataset"], options["engine"])
                )
            except DomainError as refusal:
                raise CommandError(f"{refusal.field or 'question'}: {refusal}") from refusal
        if options["json"]:
            self.stdout.write(json.dumps(answer.as_json(), ensure_ascii=False))
        else:
            self.stdout.write(_as_table(answer))


def _as_table(answer: PathAnswer) -> str:
    lines = [f"{answer.people} people, {answer.different} different paths"]
    for path in answer.paths:
        share = answer.share(path.people).value
        lines.append(f"{path.people:>10}{share:>8.1%}  {' > '.join(path.events)}")
    lines.append(f"data time {answer.data_time.isoformat()}")
    return "\n".join(lines)
