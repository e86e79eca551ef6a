"""Addresses of articles as pages show them."""

from datetime import datetime
from enum import Enum
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Max, Q, QuerySet
from django.urls import reverse

from crm.agents.models import User
from crm.articles.models import ArticleLink
from crm.content import cards
from crm.content.models import ArticleBlock, Material, MaterialPicture
from crm.shared.times import local_day

SHOWN = 200


class Standing(Enum):
    """What whoever opens an address gets to see."""

    OPEN = "open"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


def address_of(link: ArticleLink) -> str:
    """The address to hand out."""
    return settings.SITE_URL + reverse("crm:articles:read", args=[link.code])


def link_at(code: str) -> ArticleLink | None:
    """The address with this code; whoever holds it may open it."""
    rows = ArticleLink.unsafe_all.select_related("version__material", "version__picture")
    return rows.filter(code=code).first()


def standing_of(link: ArticleLink, *, now: datetime) -> Standing:
    """Whether the article is still to be read."""
    material = link.version.material
    if link.closed_at is not None or material.is_archived:
        return Standing.WITHDRAWN
    is_over = material.expires_on is not None and material.expires_on < local_day(now)
    return Standing.EXPIRED if is_over else Standing.OPEN


def picture_at(link: ArticleLink, picture_id: UUID) -> MaterialPicture | None:
    """A picture that this very page shows; no other can be asked for by its number."""
    shown = ArticleBlock.objects.filter(version=link.version_id).values("source__picture")
    meant = Q(pk__in=shown) | Q(pk=link.version.picture_id)
    return MaterialPicture.unsafe_all.filter(meant, pk=picture_id).first()


def links_of(user: User, material: Material) -> QuerySet[ArticleLink]:
    """Addresses of an article in scope with what was counted, the latest first."""
    rows = ArticleLink.objects.for_user(user).filter(version__material=material)
    return rows.select_related("version", "customer", "agent", "made_by__agent").annotate(
        opened=Count("views", distinct=True),
        visitors=Count("views__visitor", distinct=True),
        read=Count("views", filter=Q(views__read_at__isnull=False), distinct=True),
        clicked=Count("views", filter=Q(views__clicks__isnull=False), distinct=True),
        last_at=Max("views__opened_at"),
    )[:SHOWN]


def opening(material: Material, place: str) -> dict[str, str]:
    """What a send or a moment begins with; an article comes with its address for that place."""
    begun = cards.opening(material)
    if material.kind != Material.Kind.ARTICLE:
        return begun
    link = standing_link(material, place)
    if link is None:
        return begun
    return begun | {"link_url": address_of(link), "link_title": material.link_title}


def standing_link(material: Material, place: str) -> ArticleLink | None:
    """The latest address of the newest version for a place and nobody in particular."""
    rows = ArticleLink.unsafe_all.filter(version__material=material, place=place, customer=None)
    return rows.filter(version__number=material.version, closed_at=None).first()
