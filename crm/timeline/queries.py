"""Reading facts: the timeline of one customer, counts of a day."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count

from crm.shared.paging import Page, keyset_page
from crm.timeline.models import Fact
from crm.timeline.words import FAMILIES, icon_of, sentence


@dataclass(frozen=True)
class TimelineEntry:
    """One fact as a line of text."""

    at: datetime
    icon: str
    label: str
    text: str
    note: str


@dataclass(frozen=True)
class Tally:
    """How often a kind happened, and to how many customers."""

    times: int
    customers: int


def timeline(
    user: Any, customer_id: int, *, family: str = "", params: Mapping[str, str], size: int = 30
) -> Page:
    """A page of the customer's facts, newest first, as lines; ``family`` narrows the kinds."""
    facts = (
        Fact.objects.for_user(user)
        .filter(customer_id=customer_id)
        .select_related("kind", "agent", "group", "channel", "order")
    )
    chosen = next((f for f in FAMILIES if f.key == family), None)
    if chosen:
        facts = facts.filter(kind__code__in=chosen.codes)
    page = keyset_page(facts, order=("-at",), params=params, size=size)
    return Page([_entry(f) for f in page.rows], page.after, page.before, page.total, page.is_exact)


def tallies(user: Any, *, since: datetime, until: datetime) -> dict[str, Tally]:
    """Counts by kind code of what happened to the user's customers in [since, until)."""
    rows = (
        Fact.objects.for_user(user)
        .filter(at__gte=since, at__lt=until)
        .values("kind__code")
        .annotate(times=Count("id"), customers=Count("customer_id", distinct=True))
        .order_by()
    )
    return {row["kind__code"]: Tally(row["times"], row["customers"]) for row in rows}


def _entry(fact: Fact) -> TimelineEntry:
    notes = [fact.channel.name] if fact.channel else []
    if content := fact.properties.get("content") or fact.properties.get("comment"):
        notes.append(str(content)[:80])
    return TimelineEntry(
        at=fact.at,
        icon=icon_of(fact.kind.code),
        label=fact.kind.label,
        text=sentence(fact),
        note=" · ".join(notes),
    )
