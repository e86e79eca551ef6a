"""Welcomes in numbers: what became of the codes of the last days, and how fast."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import Count, F, Q
from django.db.models.aggregates import Aggregate

from crm.acquisition.models import Welcome, WelcomeSent
from crm.agents.models import User
from crm.customers.models import Customer
from crm.faces.models import Face

SINCE = timedelta(days=7)
Outcome = WelcomeSent.Outcome
LEVELS = {
    Outcome.SENT: "good",
    Outcome.LATE: "bad",
    Outcome.FAILED: "bad",
    Outcome.UNKNOWN: "warn",
    Outcome.NO_RULE: "warn",
    Outcome.HELD: "",
    Outcome.WAITING: "brand",
}


class _P99(Aggregate):
    function = "percentile_cont"
    template = "%(function)s(0.99) within group (order by %(expressions)s)"
    output_field = models.DurationField()


@dataclass(frozen=True)
class OutcomeCount:
    """How many codes of the last days ended so."""

    outcome: str
    label: str
    count: int


@dataclass(frozen=True)
class WelcomeSummary:
    """All codes of the last seven days; the outcomes add up to ``total``.

    ``p99_seconds``: from the callback's arrival to WeCom's answer, of those that were sent.
    """

    total: int
    outcomes: tuple[OutcomeCount, ...]
    p99_seconds: float | None


def welcome_summary(user: User, *, now: datetime) -> WelcomeSummary:
    """Outcomes and speed within the user's scope."""
    recent = recent_welcomes(user, now=now)
    counts = dict(recent.values_list("outcome").annotate(n=Count("pk")).order_by())
    slowest = recent.filter(outcome=Outcome.SENT).aggregate(
        p99=_P99(F("finished_at") - F("queued_at"))
    )["p99"]
    outcomes = tuple(
        OutcomeCount(value, label, counts.get(value, 0)) for value, label in Outcome.choices
    )
    seconds = None if slowest is None else slowest.total_seconds()
    return WelcomeSummary(sum(counts.values()), outcomes, seconds)


def recent_welcomes(user: User, *, now: datetime, outcome: str = "") -> Any:
    """Codes of the last seven days within the user's scope."""
    rows = WelcomeSent.objects.for_user(user).filter(happened_at__gt=now - SINCE)
    if outcome in Outcome.values:
        rows = rows.filter(outcome=outcome)
    return rows.select_related("agent", "welcome")


def greeted(rows: Iterable[WelcomeSent], user: User) -> dict[str, Customer]:
    """Who the people of some codes are, by their WeCom id, as far as the user may see them."""
    asked = {row.external_userid for row in rows}
    found = Customer.objects.for_user(user).filter(external_userid__in=asked)
    return {customer.external_userid: customer for customer in found}


def welcome_rules(user: User, *, now: datetime) -> Any:
    """The rules in the order in which they are tried, with how often each was sent lately."""
    lately = Q(sent__in=recent_welcomes(user, now=now, outcome=Outcome.SENT))
    rules = Welcome.objects.select_related("channel", "face")
    rules = rules.prefetch_related("agents", "departments")
    counted = rules.annotate(sent_lately=Count("sent", filter=lately, distinct=True))
    return counted.order_by(F("face").asc(nulls_last=True), *Welcome._meta.ordering)


def welcomes_of(face: Face) -> list[Welcome]:
    """A face's own words, in the order in which they are tried."""
    return list(Welcome.objects.filter(face=face).select_related("channel"))


def welcomes_to_give() -> Any:
    """Words that may become a face's own."""
    return Welcome.objects.filter(face=None, is_default=False)
