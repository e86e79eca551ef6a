"""What came of the openings of one article in the last days, within the viewer's scope."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Count, Q, QuerySet

from analytics.charts.rates import Rate
from crm.agents.models import User
from crm.articles.models import ArticleClick, ArticleLink, ArticleView
from crm.articles.queries import address_of
from crm.content.models import ArticleBlock, Material
from crm.outreach.models import MassSend

RANGES, DEFAULT_RANGE = (30, 90, 365), 30
DAYS, DEFAULT_DAYS = (7, 14, 30), 7
DEFINITION_VERSION = 1

# Each order belongs to the last button that its person pressed before it, and to no other.
_ORDERS = """
select distinct on (f.id) f.id, f.customer_id, b.version_id, c.position
from crm_articleclick c
join crm_articleview v on v.id = c.view_id
join crm_articlelink b on b.id = v.link_id
join crm_fact f on f.customer_id = b.customer_id
    and f.at >= c.at and f.at < c.at + make_interval(days => %(days)s)
join crm_factkind k on k.id = f.kind_id and k.code = 'order_paid'
where b.id = any(%(links)s) and b.customer_id is not null and v.opened_at >= %(since)s
order by f.id, c.at desc, c.id desc
"""
_PLANNED_AND_ORDERED = """
select count(distinct r.customer_id)
from crm_massrecipient r
join crm_masssend s on s.id = r.send_id
join crm_fact f on f.customer_id = r.customer_id
    and f.at >= s.send_at and f.at < s.send_at + make_interval(days => %(days)s)
join crm_factkind k on k.id = f.kind_id and k.code = 'order_paid'
where r.send_id = any(%(sends)s) and r.batch_id is not null and r.reason <> 'control'
"""


@dataclass(frozen=True)
class Counted:
    """Openings of some links, and how many of them came how far."""

    opened: int = 0
    visitors: int = 0
    told: int = 0
    read: int = 0
    clicked: int = 0

    @property
    def read_rate(self) -> Rate:
        """Of the openings whose reading was told at all; the others are not known, not unread."""
        return Rate(self.read, self.told)

    @property
    def click_rate(self) -> Rate:
        return Rate(self.clicked, self.opened)


@dataclass(frozen=True)
class PlaceRow:
    """One place; ``ceiling`` is how many people can have ordered at most, where nobody is known."""

    place: str
    label: str
    counted: Counted
    ceiling: int


@dataclass(frozen=True)
class PositionRow:
    """One button of one version."""

    version_id: int
    version: int
    position: int
    title: str
    clicked: Rate
    people: tuple[int, ...]
    ordered: tuple[int, ...]
    orders: int


@dataclass(frozen=True)
class Reading:
    """Everything of one article; ``people`` are ascending ids of those whose address it was."""

    material: Material
    range: int
    days: int
    at: datetime
    counted: Counted
    places: list[PlaceRow]
    positions: list[PositionRow]
    people: dict[str, list[int]] = field(default_factory=dict)

    @property
    def ceiling(self) -> int:
        """How many people beyond the known ones can have ordered at most."""
        return sum(row.ceiling for row in self.places)


def articles(user: User) -> QuerySet[Material]:
    """Articles in scope, the latest first."""
    rows = Material.objects.for_user(user).filter(kind=Material.Kind.ARTICLE)
    return rows.order_by("-updated_at", "-pk")


def reading(material: Material, *, range_: int, days: int, user: User, now: datetime) -> Reading:
    """How an article was read in the last ``range_`` days, and ordered within ``days`` of it."""
    since = now - timedelta(days=range_)
    rows = ArticleLink.objects.for_user(user).filter(version__material=material)
    links = list(rows.select_related("version"))
    views = ArticleView.objects.filter(link__in=links, opened_at__gte=since)
    people = {
        "opened": _people(views),
        "read": _people(views.filter(read_at__isnull=False)),
        "clicked": _people(views.filter(clicks__isnull=False)),
    }
    orders = _orders(links, since=since, days=days)
    people["ordered"] = sorted({customer for _fact, customer, _version, _position in orders})
    return Reading(
        material=material,
        range=range_,
        days=days,
        at=now,
        counted=_counted(views),
        places=_places(links, views, days=days),
        positions=_positions(links, views, orders),
        people=people,
    )


def _people(views: QuerySet[ArticleView]) -> list[int]:
    known = views.filter(link__customer__isnull=False)
    return sorted(set(known.values_list("link__customer", flat=True)))


def _counted(views: QuerySet[ArticleView]) -> Counted:
    return Counted(
        **views.aggregate(
            opened=Count("pk", distinct=True),
            visitors=Count("visitor", distinct=True),
            told=Count("pk", filter=Q(read_ms__isnull=False), distinct=True),
            read=Count("pk", filter=Q(read_at__isnull=False), distinct=True),
            clicked=Count("pk", filter=Q(clicks__isnull=False), distinct=True),
        )
    )


def _places(links: list[ArticleLink], views: QuerySet[ArticleView], *, days: int) -> list[PlaceRow]:
    used = {link.place for link in links}
    return [
        PlaceRow(
            place=place.value,
            label=str(place.label),
            counted=_counted(views.filter(link__place=place)),
            ceiling=_ceiling([link for link in links if link.place == place], views, days),
        )
        for place in ArticleLink.Place
        if place in used
    ]


def _ceiling(links: list[ArticleLink], views: QuerySet[ArticleView], days: int) -> int:
    """No more people than openings that pressed a button; of sends, than planned ones who ordered.

    A link that no send of ours carries may have gone anywhere, so its clicks alone are the bound.
    """
    most = 0
    for link in links:
        if link.customer_id is not None:
            continue
        clicked = views.filter(link=link, clicks__isnull=False).distinct().count()
        if clicked and (sends := _sends_with(link)):
            clicked = min(clicked, _planned_and_ordered(sends, days))
        most += clicked
    return most


def _sends_with(link: ArticleLink) -> list[int]:
    if link.place != ArticleLink.Place.SEND:
        return []
    address = address_of(link)
    rows = MassSend.unsafe_all.filter(Q(link_url=address) | Q(text__contains=address))
    found = list(rows.values_list("pk", "target"))
    # Who is in a group at the time is not planned by name: then there is no such bound.
    if any(target != MassSend.Target.CUSTOMERS for _pk, target in found):
        return []
    return [pk for pk, _target in found]


def _planned_and_ordered(sends: list[int], days: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_PLANNED_AND_ORDERED, {"sends": sends, "days": days})
        return cursor.fetchone()[0]


def _orders(
    links: list[ArticleLink], *, since: datetime, days: int
) -> list[tuple[int, int, int, int]]:
    """(fact, customer, version, position) of each order that a click came before."""
    known = [link.pk for link in links if link.customer_id is not None]
    if not known:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_ORDERS, {"links": known, "since": since, "days": days})
        return cursor.fetchall()


def _positions(
    links: list[ArticleLink],
    views: QuerySet[ArticleView],
    orders: list[tuple[int, int, int, int]],
) -> list[PositionRow]:
    """Every button of the versions that have an address, the newest version first."""
    versions = {link.version_id for link in links}
    blocks = ArticleBlock.objects.filter(version__in=versions, kind=ArticleBlock.Kind.CARD)
    opened = dict(
        views.values_list("link__version").annotate(n=Count("pk")).values_list("link__version", "n")
    )
    pressed: dict[tuple[int, int], list[int | None]] = defaultdict(list)
    clicks = ArticleClick.objects.filter(view__in=views).order_by()
    names = ("view__link__version", "position", "view__link__customer")
    for version, position, customer in clicks.values_list(*names):
        pressed[version, position].append(customer)
    ordered: dict[tuple[int, int], list[int]] = defaultdict(list)
    for _fact, customer, version, position in orders:
        ordered[version, position].append(customer)
    return [
        PositionRow(
            version_id=block.version_id,
            version=block.version.number,
            position=block.position,
            title=block.source.link_title
            or (block.source.route.title if block.source.route else "")
            if block.source
            else "",
            clicked=Rate(len(pressed[key]), opened.get(block.version_id, 0)),
            people=tuple(sorted({one for one in pressed[key] if one is not None})),
            ordered=tuple(sorted(set(ordered[key]))),
            orders=len(ordered[key]),
        )
        for block in blocks.select_related("version", "source__route").order_by(
            "-version__number", "position"
        )
        if (key := (block.version_id, block.position))
    ]
