"""Taking rows in: parse, stage, check, and only if nothing is wrong, write."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import IntegrityError, OperationalError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import override
from psycopg.errors import DeadlockDetected, UniqueViolation

from crm.agents.models import User
from crm.customers.actions import recompute_stages, record_milestones, refresh_customers
from crm.customers.models import AttributeChange
from crm.customers.origins import speak_for
from crm.ingest import customers, events, members, orders, own_fields, people, routes
from crm.ingest.counts import Counts
from crm.ingest.kinds import RowKind
from crm.ingest.problems import Collision, Problems
from crm.ingest.rows import EventNames, Layout, RowParser
from crm.ingest.staging import run, stage
from crm.jobs.models import Job
from crm.shared import faults
from crm.timeline.catalogue import KINDS
from crm.timeline.models import FactKind

CHECKS: dict[str, Callable[[Problems], Counts]] = {
    "customers": customers.check,
    "orders": orders.check,
    "events": events.check,
    "routes": routes.check,
    "members": members.check,
}


ATTEMPTS = 3
# Life stages of more customers are left to the timetable, which recomputes them anyway.
STAGES_AT_ONCE = 20_000
_SORT_IN_MEMORY = "set local work_mem = '64MB'"


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
    source: str = AttributeChange.Source.IMPORT,
    by: User | None = None,
) -> Outcome:
    """Take all rows in, or none: any problem leaves everything as it was.

    ``raw_rows`` are (number shown to people, cells). With ``dry_run`` the outcome tells what would
    happen. ``progress`` has ``enter(phase)`` and ``check()``, which may raise to stop.
    ``source`` and ``by`` become the origin of what the rows say.
    """
    progress = progress or Silent()
    outcome = Outcome()
    names = event_names() if kind.keeps_extras else None
    parser = RowParser(kind, layout, outcome.problems, names)
    with transaction.atomic():
        progress.enter(Job.Phase.READING)
        run(_SORT_IN_MEMORY)
        speak_for(source, by)
        own_fields.hold(kind)
        stage(kind, parser.columns, parser.parse(iter(raw_rows)))
        outcome.rows = parser.rows
        outcome.new_names = tuple(sorted(names.new)) if names else ()
        faults.point("ingest.staged")
        own_fields.spread(kind, parser.columns)
        _settle(kind, outcome, progress, now=now, dry_run=dry_run, source=source, by=by)
    return outcome


def _settle(
    kind: RowKind,
    outcome: Outcome,
    progress: Any,
    *,
    now: datetime,
    dry_run: bool,
    source: str,
    by: User | None,
) -> None:
    """Check and write; where somebody wrote the same rows meanwhile, look again from the start."""
    for _attempt in range(ATTEMPTS):
        try:
            with transaction.atomic():
                progress.enter(Job.Phase.CHECKING)
                outcome.counts = CHECKS[kind.name](outcome.problems)
                progress.check()
                if not outcome.problems and not dry_run:
                    _write(kind, outcome, progress, now=now, source=source, by=by)
            return
        except (IntegrityError, OperationalError) as collision:
            if not isinstance(collision.__cause__, UniqueViolation | DeadlockDetected):
                raise
    raise Collision(_("同一批数据正由别处写入，未做任何改动，请稍后重试"))


def _write(
    kind: RowKind,
    outcome: Outcome,
    progress: Any,
    *,
    now: datetime,
    source: str,
    by: User | None,
) -> None:
    progress.enter(Job.Phase.WRITING)
    if kind.name == "routes":
        routes.write(now)
    elif kind.name == "members":
        members.write(now, source=source, by=by)
    elif kind.name == "customers":
        customers.write(now, source=source, by=by)
    elif kind.name == "orders":
        outcome.counts.facts = orders.write(now, source=source)
    else:
        outcome.counts.facts = events.write(now, set(outcome.new_names), source=source)
    progress.check()
    progress.enter(Job.Phase.REFRESHING)
    if kind.name in ("orders", "events"):
        _refresh(kind, people.touched(), now=now)
    outcome.applied = True
    faults.point("ingest.written")


def _refresh(kind: RowKind, customer_ids: list[int], *, now: datetime) -> None:
    """What else follows for these customers; order totals have been counted with the orders."""
    if kind.name == "events":
        record_milestones(now, customer_ids)
        refresh_customers(customer_ids, now)
    if len(customer_ids) <= STAGES_AT_ONCE:
        recompute_stages(customer_ids, now)


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
