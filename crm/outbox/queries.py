"""The queue in numbers: by kind and state, and how old."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, Q

from crm.agents.models import User
from crm.outbox.models import OutboxItem, QuietHours
from crm.outbox.registry import handler_of

State = OutboxItem.State
COLUMNS = (
    State.WAITING,
    State.LEASED,
    State.CALLING,
    State.UNCERTAIN,
    State.PARKED,
    State.DONE,
    State.SKIPPED,
    State.FAILED,
)
LEVELS = {
    State.LEASED: "brand",
    State.CALLING: "brand",
    State.UNCERTAIN: "warn",
    State.PARKED: "warn",
    State.DONE: "good",
    State.FAILED: "bad",
}


@dataclass(frozen=True)
class Cell:
    """How many items of a kind are in a state."""

    state: str
    count: int


@dataclass(frozen=True)
class KindRow:
    """One kind of action: its items by state always add up to ``total``."""

    kind: str
    label: str
    cells: tuple[Cell, ...]
    total: int
    oldest_due_at: datetime | None


@dataclass(frozen=True)
class QueueSummary:
    """The whole queue as the page shows it."""

    rows: tuple[KindRow, ...]
    due: int
    unclear: int
    parked: int


def queue_summary(user: User, *, now: datetime) -> QueueSummary:
    """Counts by kind and state within the user's scope."""
    items = OutboxItem.objects.for_user(user)
    counts: dict[str, dict[str, int]] = {}
    for kind, state, n in items.values_list("kind", "state").annotate(n=Count("pk")).order_by():
        counts.setdefault(kind, {})[state] = n
    due = Q(state=State.WAITING, due_at__lte=now)
    oldest = dict(items.filter(due).values_list("kind").annotate(at=Min("due_at")).order_by())
    rows = tuple(
        KindRow(
            kind=kind,
            label=label_of(kind),
            cells=tuple(Cell(state.value, by_state.get(state, 0)) for state in COLUMNS),
            total=sum(by_state.values()),
            oldest_due_at=oldest.get(kind),
        )
        for kind, by_state in sorted(counts.items())
    )
    figures = items.aggregate(
        due=Count("pk", filter=due),
        unclear=Count("pk", filter=Q(state=State.UNCERTAIN)),
        parked=Count("pk", filter=Q(state=State.PARKED)),
    )
    return QueueSummary(rows, figures["due"], figures["unclear"], figures["parked"])


def label_of(kind: str) -> str:
    """The kind in the reader's language."""
    handler = handler_of(kind)
    return str(handler.label) if handler else kind


def level_of(item: OutboxItem) -> str:
    """The colour of the item's state."""
    return LEVELS.get(item.state, "")


def quiet_hours_known(now: datetime) -> list[tuple[QuietHours, bool]]:
    """Quiet hours in force and to come, each with whether it holds now."""
    in_force = QuietHours.in_force(now)
    to_come = QuietHours.objects.filter(valid_from__gt=now).order_by("valid_from", "code")
    held = [(in_force[code], True) for code in sorted(in_force)]
    return held + [(rule, False) for rule in to_come]
