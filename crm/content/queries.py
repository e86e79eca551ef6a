"""Materials as pages show them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, QuerySet

from crm.agents.models import Agent, User
from crm.content.cards import card_values, title_of
from crm.content.models import Material
from crm.content.requirements import Gap, gaps_for
from crm.content.variables import TextRefused, filled, has_variables, parse, values_of
from crm.customers.models import Customer
from crm.shared.paging import Page, keyset_page, ordered
from crm.shared.times import local_day

FILTERS = ("kind", "tier", "topic")
ORDER = ("-updated_at",)


@dataclass(frozen=True)
class Row:
    """One line; ``text`` is filled in where a customer is at hand."""

    material: Material
    text: str
    title: str
    is_for_one: bool
    is_expired: bool
    gaps: tuple[Gap, ...] = ()


def material_page(user: User, params: Mapping[str, str]) -> Page:
    """A page of those that fit the conditions of the address."""
    rows = materials(user, params, archived=params.get("archived") == "1")
    return keyset_page(rows, order=ORDER, params=params)


def all_materials(user: User, params: Mapping[str, str]) -> QuerySet[Material]:
    """The same without pages, for files."""
    return ordered(materials(user, params, archived=params.get("archived") == "1"), ORDER)


def materials(
    user: User, params: Mapping[str, str], *, archived: bool | None
) -> QuerySet[Material]:
    """Those in scope that fit the conditions, with how often they were used; None: both."""
    rows = Material.objects.for_user(user).select_related("owner__agent", "route", "picture")
    if archived is not None:
        rows = rows.filter(is_archived=archived)
    for name in FILTERS:
        if value := params.get(name, ""):
            rows = rows.filter(**{name: value[:64]})
    if words := params.get("q", "").strip()[:64]:
        said = Q(title__icontains=words) | Q(text__icontains=words) | Q(topic__icontains=words)
        rows = rows.filter(said)
    if params.get("proposed") == "1":
        rows = rows.filter(proposed_at__isnull=False)
    return rows.annotate(times=Count("uses"))


def rows_of(page: Page, customer: Customer | None, agent: Agent | None, now) -> list[Row]:
    """Lines, filled in for a customer where there is one."""
    values = values_of(customer, agent) if customer else None
    return [
        Row(
            material=one,
            text=for_one(one, values) if values is not None else one.text,
            title=title_of(one),
            is_for_one=has_variables(one.text),
            is_expired=one.expires_on is not None and one.expires_on < local_day(now),
            gaps=tuple(gaps_of(one, customer, now)),
        )
        for one in page
    ]


def gaps_of(material: Material, customer: Customer | None, now: datetime) -> list[Gap]:
    """What a product card must yet tell before it may be offered to this customer."""
    if customer is None:
        return []
    return gaps_for(material, Customer.unsafe_all.filter(pk=customer.pk), at=now)


def for_one(material: Material, values: Mapping[str, str], text: str | None = None) -> str:
    """The text for one person; a variable that no longer exists stands as it was written.

    ``text``: other words than the material's own, where those are being tried.
    """
    said = material.text if text is None else text
    try:
        return filled(parse(said), {**values, **card_values(material)})
    except TextRefused:
        return said


def topics(user: User) -> list[str]:
    """Topics in use, in their order."""
    rows = Material.objects.for_user(user).filter(is_archived=False).exclude(topic="")
    return list(rows.order_by("topic").values_list("topic", flat=True).distinct()[:50])
