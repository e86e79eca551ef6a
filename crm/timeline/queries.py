"""Reading facts: the timeline of one customer, counts of a day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Q, QuerySet

from crm.shared.paging import Page, keyset_page
from crm.timeline.catalogue import KINDS
from crm.timeline.models import Fact
from crm.timeline.words import FAMILIES, icon_of, sentence

KIND_IDS = {kind.code: kind.id for kind in KINDS}


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
    return Page(
        [entry_of(f) for f in page.rows], page.after, page.before, page.total, page.is_exact
    )


def tallies(
    user: Any, groups: Mapping[str, Sequence[str]], *, since: datetime, until: datetime
) -> dict[str, Tally]:
    """How often each named group of kinds happened to the user's customers in [since, until)."""
    facts = Fact.objects.for_user(user).filter(at__gte=since, at__lt=until)
    counts = {}
    for name, codes in groups.items():
        these = Q(kind_id__in=[KIND_IDS[code] for code in codes])
        counts[f"{name}_times"] = Count("pk", filter=these)
        counts[f"{name}_people"] = Count("customer_id", filter=these, distinct=True)
    wanted = {KIND_IDS[code] for codes in groups.values() for code in codes}
    got = facts.filter(kind_id__in=wanted).aggregate(**counts)
    return {name: Tally(got[f"{name}_times"], got[f"{name}_people"]) for name in groups}


def happened(user: Any, codes: Sequence[str], *, since: datetime) -> QuerySet[Fact]:
    """Facts of these built-in kinds since then about the user's customers, latest first."""
    return (
        Fact.objects.for_user(user)
        .filter(kind_id__in=[KIND_IDS[code] for code in codes], at__gte=since)
        .select_related("customer__channel", "agent", "channel")
        .order_by("-at", "-pk")
    )


def entry_of(fact: Fact) -> TimelineEntry:
    """A fact with its kind, agent, group, channel and order, as a line."""
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
