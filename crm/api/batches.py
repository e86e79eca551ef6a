"""A batch of items on its way in: the same rows as a file's, all or none."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from crm.agents.models import User
from crm.api.limits import MAX_ITEMS
from crm.customers.models import AttributeChange
from crm.ingest.actions import ingest
from crm.ingest.kinds import RowKind
from crm.ingest.problems import Problems
from crm.ingest.rows import Layout

SHOWN = 100


def take_batch(kind: RowKind, data: Any, *, now: datetime, by: User) -> tuple[int, dict[str, Any]]:
    """Status and body of the answer to a batch; anything but 200 has changed nothing."""
    items = data.get("items") if isinstance(data, dict) else None
    if not isinstance(items, list) or not items or len(items) > MAX_ITEMS:
        error = _('请发送 {"items": […]}，每次 1 到 %(limit)s 项') % {"limit": MAX_ITEMS}
        return 422, {"error": error, "code": "invalid", "field": "items"}
    problems = _shapes(kind, items)
    if problems:
        return _refusal(problems)
    said = {"now": now, "source": AttributeChange.Source.API, "by": by}
    outcome = ingest(kind, Layout.of_items(kind), _rows(kind, items), **said)
    if outcome.problems:
        return _refusal(outcome.problems)
    return 200, {
        "received": outcome.rows,
        "new": outcome.counts.new,
        "changed": outcome.counts.changed,
        "same": outcome.counts.same,
        "customers_opened": outcome.counts.people,
        "facts_added": outcome.counts.facts,
    }


def _names(kind: RowKind) -> list[str]:
    return [field.name for field in kind.fields] + (["properties"] if kind.keeps_extras else [])


def _shapes(kind: RowKind, items: list[Any]) -> Problems:
    """Items must be objects, with no fields but the declared ones."""
    problems, known = Problems(), set(_names(kind))
    for number, item in enumerate(items, start=1):
        if not isinstance(item, dict):
            problems.add(number, "", item, "not_an_object")
            continue
        for name in item.keys() - known:
            problems.add(number, name[:64], item[name], "unknown_field")
    return problems


def _rows(kind: RowKind, items: list[dict[str, Any]]) -> Iterator[tuple[int, list[Any]]]:
    names = _names(kind)
    for number, item in enumerate(items, start=1):
        yield number, [item.get(name) for name in names]


def _refusal(problems: Problems) -> tuple[int, dict[str, Any]]:
    details = [
        {
            "index": problem.line - 1,
            "field": problem.field,
            "value": problem.value,
            "code": problem.code,
            "error": problem.problem,
            "remedy": problem.remedy,
        }
        for problem in problems.kept[:SHOWN]
    ]
    return 422, {
        "error": _("有 %(n)s 处问题，未做任何改动") % {"n": problems.count},
        "code": "invalid_items",
        "count": problems.count,
        "details": details,
    }
