"""How often links were opened."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Count, Max
from django.db.models.functions import TruncDate

from crm.agents.models import User
from crm.links.models import LinkClick, ShortLink
from crm.shared.times import corp_zone, day_start, local_day

DAYS_SHOWN = 30


@dataclass(frozen=True)
class DayRow:
    """One local day of a link: openings, and devices that opened it."""

    on: date
    opened: int
    visitors: int


def links(user: User):
    """Links in scope with what was counted; visitors are told apart within a day only."""
    return ShortLink.objects.for_user(user).annotate(
        opened=Count("clicks"),
        visitors=Count("clicks__visitor", distinct=True),
        last_at=Max("clicks__at"),
    )


def leading(code: str) -> ShortLink | None:
    """The link that leads somewhere under this code; whoever holds the address may follow it."""
    return ShortLink.unsafe_all.filter(code=code, closed_at=None).first()


def days_of(link: ShortLink, *, now: datetime) -> list[DayRow]:
    """The last days, latest first; days without an opening are shown, too."""
    today = local_day(now)
    first = today - timedelta(days=DAYS_SHOWN - 1)
    rows = (
        LinkClick.objects.filter(link=link, at__gte=day_start(first))
        .annotate(on=TruncDate("at", tzinfo=corp_zone()))
        .values("on")
        .annotate(opened=Count("pk"), visitors=Count("visitor", distinct=True))
    )
    found = {row["on"]: (row["opened"], row["visitors"]) for row in rows}
    days = [today - timedelta(days=n) for n in range(DAYS_SHOWN)]
    return [DayRow(day, *found.get(day, (0, 0))) for day in days]
