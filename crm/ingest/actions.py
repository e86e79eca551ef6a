"""Taking rows in: parse, stage, check, and only if nothing is wrong, write."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import override

from crm.ingest import customers, events, orders, people, routes
from crm.ingest.counts import Counts
from crm.ingest.kinds import RowKind
from crm.ingest.problems import Problems
from crm.ingest.rows import EventNames, Layout, RowParser
from crm.ingest.staging import stage
from crm.jobs.models import Job
from crm.timeline.catalogue import KINDS
from crm.timeline.models import FactKind

CHECKS: dict[str, Callable[[Problems], Counts]] = {
    "customers": customers.check,
    "orders": orders.check,
    "events": events.check,
    "routes": routes.check,
}


class Silent:
    """A progress that nobody watches."""

    def enter(self, phase: str) -> None:
        """A new phase begins."""

    def check(self) -> None:
        """The place to stop when somebody asked for it."""


@dataclass
class Outcome:
    """What became of the rows; ``applied`` only when they were written."""

    rows: int = 0
    counts: Counts = field(default_factory=Counts)
    problems: Problems = field(default_factory=Problems)
    new_names: tuple[str, ...] = ()
    applied: bool = False


def ingest(
    kind: RowKind,
    layout: Layout,
    raw_rows: Iterable[tuple[int, Sequence[Any]]],
    *,
    now: datetime,
    dry_run: bool = False,
    progress: Any = None,
) -> Outcome:
    """Take all rows in, or none: any problem leaves everything as it was.

    ``raw_rows`` are (number shown to people, cells). With ``dry_run`` the outcome tells what would
    happen. ``progress`` has ``enter(phase)`` and ``check()``, which may raise to stop.
    """
    progress = progress or Silent()
    outcome = Outcome()
    names = event_names() if kind.keeps_extras else None
    parser = RowParser(kind, layout, outcome.problems, names)
    with transaction.atomic():
        progress.enter(Job.Phase.READING)
        stage(kind, parser.columns, parser.parse(iter(raw_rows)))
        outcome.rows = parser.rows
        progress.enter(Job.Phase.CHECKING)
        outcome.counts = CHECKS[kind.name](outcome.problems)
        outcome.new_names = tuple(sorted(names.new)) if names else ()
        progress.check()
        if not outcome.problems and not dry_run:
            _write(kind, outcome, progress, now=now)
    return outcome


def _write(kind: RowKind, outcome: Outcome, progress: Any, *, now: datetime) -> None:
    progress.enter(Job.Phase.WRITING)
    if kind.name == "routes":
        routes.write(now)
    elif kind.name == "customers":
        customers.write(now)
    elif kind.name == "orders":
        outcome.counts.facts = orders.write(now)
    else:
        outcome.counts.facts = events.write(now, set(outcome.new_names))
    progress.check()
    progress.enter(Job.Phase.REFRESHING)
    if kind.name != "routes":
        _refresh(people.touched(), now=now)
    outcome.applied = True


def _refresh(customer_ids: list[int], *, now: datetime) -> None:
    """What is derived about the customers concerned, in the same transaction."""


def event_names() -> EventNames:
    """How events may be called: codes, and the names of kinds in both languages."""
    codes, known = set(), {}
    for kind in FactKind.objects.all():
        codes.add(kind.code)
        known[kind.label_zh] = known[kind.label_zh.lower()] = kind.code
        if kind.label_en:
            known[kind.label_en.lower()] = kind.code
    for language in ("zh-hans", "en"):
        with override(language):
            known |= {str(kind.label).lower(): kind.code for kind in KINDS}
    known |= {code: code for code in codes}
    return EventNames(known, frozenset(codes))
