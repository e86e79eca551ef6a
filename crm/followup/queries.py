"""The queue as pages show it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from crm.agents.models import User
from crm.customers.models import Customer
from crm.followup.models import FollowUp
from crm.followup.scoring import scored
from crm.outreach.models import OptOut
from crm.shared.times import day_end, local_day

SHOWN = {"overdue": 50, "today": 30, "later": 20}
LATER_DAYS = 7


@dataclass(frozen=True)
class Part:
    """One part of the queue: its rows in order, and how many there are in all."""

    name: str
    rows: list[FollowUp]
    total: int


def queue(user: User, *, now: datetime) -> list[Part]:
    """What is overdue, what is due today, and what comes within a week, each by its score."""
    rows = scored(FollowUp.objects.for_user(user).open(), now=now)
    rows = rows.select_related("customer", "agent")
    tonight = day_end(local_day(now))
    parts = {
        "overdue": rows.filter(due__lte=now),
        "today": rows.filter(due__gt=now, due__lt=tonight),
        "later": rows.filter(due__gte=tonight, due__lt=tonight + timedelta(days=LATER_DAYS)),
    }
    return [_part(name, found) for name, found in parts.items()]


def _part(name: str, found) -> Part:
    most = SHOWN[name]
    rows = list(found[: most + 1])
    total = len(rows) if len(rows) <= most else found.order_by().count()
    return Part(name, rows[:most], total)


def next_for(user: User, customer_id: int, *, now: datetime) -> FollowUp | None:
    """The most pressing follow-up of a customer that is due by tonight."""
    rows = scored(FollowUp.objects.for_user(user).open().filter(customer=customer_id), now=now)
    return rows.filter(due__lt=day_end(local_day(now))).select_related("agent").first()


def is_left_in_peace(customer: Customer) -> bool:
    """Whether the customer wants no marketing."""
    return OptOut.unsafe_all.filter(customer=customer).exists()
