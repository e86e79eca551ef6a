"""How often links were opened."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db.models import Count, Max, Min, Q
from django.db.models.functions import TruncDate
from django.urls import reverse

from crm.agents.models import User
from crm.links.models import CODE_CHARS, LinkClick, ShortLink
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


@dataclass(frozen=True)
class Openings:
    """A link between two instants: openings, devices a day, and the first and the last time."""

    link: ShortLink
    opened: int
    visitors: int
    first_at: datetime | None
    last_at: datetime | None


def openings_of(codes: Iterable[str], *, since: datetime, until: datetime) -> list[Openings]:
    """How links were opened in a span, in the order of their names; codes that lead nowhere fall
    out."""
    during = Q(clicks__at__gte=since, clicks__at__lt=until)
    rows = ShortLink.unsafe_all.filter(code__in=list(codes)).annotate(
        opened=Count("clicks", filter=during),
        visitors=Count("clicks__visitor", distinct=True, filter=during),
        first_at=Min("clicks__at", filter=during),
        last_at=Max("clicks__at", filter=during),
    )
    return [
        Openings(row, row.opened, row.visitors, row.first_at, row.last_at)
        for row in rows.order_by("title", "pk")
    ]


def codes_in(text: str) -> list[str]:
    """Codes of our own short links that a text or an address names, each once."""
    start = re.escape(settings.SITE_URL + reverse("crm:links:go", args=["0" * CODE_CHARS]))
    pattern = start.replace("0" * CODE_CHARS, f"([0-9A-Za-z]{{{CODE_CHARS}}})")
    return list(dict.fromkeys(re.findall(pattern, text)))


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
