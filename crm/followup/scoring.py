"""The published score: what a reason weighs, an hour overdue, and a customer who has paid before.

score = weight of the reason + 1 for each whole hour overdue, at most 48 + 10 if they ever paid.
"""

from datetime import datetime, timedelta

from django.db.models import Case, DateTimeField, F, IntegerField, QuerySet, Value, When
from django.db.models.functions import Cast, Coalesce, Extract, Floor, Greatest, Least

from crm.followup.models import FollowUp

Reason = FollowUp.Reason
WEIGHTS = {
    Reason.UNANSWERED: 100,
    Reason.DEPARTURE: 90,
    Reason.FIRST_TOUCH: 80,
    Reason.RETURNED: 70,
    Reason.NEED: 60,
    Reason.AFTER_ORDER: 50,
    Reason.BIRTHDAY: 40,
    Reason.FIRST_ORDER: 35,
    Reason.ANNIVERSARY: 30,
    Reason.QUIET: 20,
}
MOST_OVERDUE, HAS_PAID = 48, 10
# Whoever wants no marketing is not approached for these.
OURS = (
    Reason.NEED,
    Reason.BIRTHDAY,
    Reason.FIRST_ORDER,
    Reason.ANNIVERSARY,
    Reason.QUIET,
)


def score(*, weight: int, due_at: datetime, has_paid: bool, now: datetime) -> int:
    """The score in points."""
    overdue = max(0, (now - due_at) // timedelta(hours=1))
    return weight + min(MOST_OVERDUE, overdue) + (HAS_PAID if has_paid else 0)


def scored(rows: QuerySet, *, now: datetime) -> QuerySet:
    """Rows with ``due`` (a snooze puts it off), ``overdue_hours`` and ``score``, highest first."""
    hours = Floor(Extract(Value(now, DateTimeField()) - F("due"), "epoch") / Value(3600.0))
    rows = rows.annotate(due=Greatest("due_at", Coalesce("snoozed_until", "due_at")))
    rows = rows.annotate(
        overdue_hours=Least(Greatest(Cast(hours, IntegerField()), Value(0)), Value(MOST_OVERDUE)),
        paid_points=Case(When(customer__order_count__gt=0, then=Value(HAS_PAID)), default=Value(0)),
    )
    rows = rows.annotate(score=F("weight") + F("overdue_hours") + F("paid_points"))
    return rows.order_by("-score", "due", "pk")
