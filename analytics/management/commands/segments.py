"""Look after the bitmaps of segments, and count a rule from the command line."""

import json
from datetime import date, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.translation import override

from analytics.segments.index.building import refresh
from analytics.segments.over_time import end_of
from analytics.segments.parsing import rule_from
from analytics.segments.queries import answer, answer_then, setting_for, sql_ids
from analytics.segments.rule import Node
from crm.shared.errors import DomainError


class Command(BaseCommand):
    requires_system_checks = ()  # They load every page; installing runs them.
    help = (
        "refresh or rebuild the bitmaps; count a rule; verify that bitmaps and SQL agree on it. "
        """Example: segments count --rule '{"field": "orders", "from": 2}' --json"""
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("work", choices=["refresh", "rebuild", "count", "verify"])
        parser.add_argument("--rule", default='{"all": []}', help="a rule as JSON")
        parser.add_argument("--as-of", help="with count: at the end of this day (YYYY-MM-DD)")
        parser.add_argument("--ids", action="store_true", help="with count: the ids, too")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, work: str, **options: Any) -> None:
        with override("en"):
            try:
                body = self._work(work, options)
            except DomainError as refusal:
                raise CommandError(f"{refusal.field or 'rule'}: {refusal}") from refusal
        if options["json"]:
            self.stdout.write(json.dumps(body))
        else:
            self.stdout.write("\n".join(f"{name}: {value}" for name, value in body.items()))
        if body.get("equal") is False:
            raise CommandError("bitmaps and SQL disagree; run: segments rebuild")

    def _work(self, work: str, options: dict[str, Any]) -> dict[str, Any]:
        now = timezone.now()
        if work in ("refresh", "rebuild"):
            return {"customers": refresh(now=now, everything=work == "rebuild")}
        try:
            rule = rule_from(json.loads(options["rule"]))
        except json.JSONDecodeError as broken:
            raise CommandError(f"rule: not JSON: {broken}") from broken
        if options["as_of"]:
            return self._then(rule, options, now)
        found = answer(rule, user=None, now=now)
        body = {"count": found.count, "engine": found.engine}
        if work == "verify":
            by_sql = sql_ids(rule, setting_for(rule, now=now), None)
            return body | {"sql": len(by_sql), "equal": sorted(by_sql) == list(found.bits)}
        return body | ({"ids": list(found.bits)} if options["ids"] else {})

    def _then(self, rule: Node, options: dict[str, Any], now: datetime) -> dict[str, Any]:
        try:
            day = date.fromisoformat(options["as_of"])
        except ValueError as broken:
            raise CommandError(f"as-of: {broken}") from broken
        found = answer_then(rule, user=None, instant=end_of(day, now))
        body: dict[str, Any] = {"count": found.count, "as_of": day.isoformat()}
        return body | ({"ids": list(found.bits)} if options["ids"] else {})
