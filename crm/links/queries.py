"""How often links were opened, and which stand in a text."""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import Count, Max, Min
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


@dataclass(frozen=True)
class Openings:
    """What was counted of a link between two instants."""

    opened: int
    visitors: int
    first_at: datetime | None
    last_at: datetime | None


def links_in(text: str) -> list[ShortLink]:
    """Our links whose addresses stand in a text, in their order there, each as often as it does.

    Whoever may read the text may know of them.
    """
    codes = [found[1] for found in re.finditer(_address(), text)]
    known = {link.code: link for link in ShortLink.unsafe_all.filter(code__in=codes)}
    return [known[code] for code in codes if code in known]


def openings(link: ShortLink, *, since: datetime, until: datetime) -> Openings:
    """Openings in [since, until)."""
    counted = LinkClick.objects.filter(link=link, at__gte=since, at__lt=until).aggregate(
        opened=Count("pk"),
        visitors=Count("visitor", distinct=True),
        first_at=Min("at"),
        last_at=Max("at"),
    )
    return Openings(**counted)


def path_of(code: str) -> str:
    """The part of a link's address that is its own, wherever the site is."""
    return reverse("crm:links:go", args=[code]).removesuffix("/")


def _address() -> str:
    """The addresses of links as a pattern; the code is its first group."""
    host, path = re.escape(urlsplit(settings.SITE_URL).netloc), re.escape(path_of("x")[:-1])
    return rf"https?://(?i:{host}){path}([0-9a-z]{{{CODE_CHARS}}})(?![0-9A-Za-z_-])"
