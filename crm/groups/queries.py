"""The list of groups, and what the page of one group shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count, F, IntegerField, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce, TruncDate
from django.utils.translation import gettext_lazy as _

from crm.agents.models import Agent
from crm.customers.models import Customer
from crm.groups.models import Group, GroupQuerySet, Membership
from crm.shared.paging import Page, keyset_page
from crm.shared.text import sort_key
from crm.shared.times import corp_zone, day_end, day_start, local_day

DEFAULT_SORT = "-size"
RECENT_DAYS = 7
_COLUMNS = {
    "name": "name_sort",
    "size": "customer_count",
    "joins": "joins",
    "leaves": "leaves",
    "opened": "opened_at",
}
# Codes of WeCom's ``join_scene``.
JOIN_SCENES = {1: _("员工邀请"), 2: _("邀请链接"), 3: _("扫描群二维码")}


@dataclass(frozen=True)
class GroupFilter:
    """What a list of groups is narrowed to. ``state``: open, dismissed, or both when empty."""

    q: str = ""
    owners: tuple[int, ...] = ()
    state: str = "open"
    opened_from: date | None = None
    opened_to: date | None = None


@dataclass(frozen=True)
class GroupRow:
    """One line of the list."""

    id: int
    name: str
    owner: str
    customers: int
    agents: int
    joins: int
    leaves: int
    opened_at: datetime
    dismissed_at: datetime | None


@dataclass(frozen=True)
class Member:
    """One stay in the group. ``customer_id`` only where the viewer may open the profile."""

    name: str
    customer_id: int | None
    is_agent: bool
    joined_at: datetime
    left_at: datetime | None
    scene: str
    invited_by: str


@dataclass(frozen=True)
class Day:
    """Joins and leaves of customers on one local day."""

    on: date
    joins: int
    leaves: int


def find_groups(user: Any, wanted: GroupFilter) -> GroupQuerySet:
    """Groups within the user's scope that answer ``wanted``."""
    found = Group.objects.for_user(user)
    if wanted.q:
        like = Q(name__icontains=wanted.q) | Q(name_sort__startswith=sort_key(wanted.q))
        found = found.filter(like | Q(chat_id=wanted.q))
    if wanted.owners:
        found = found.filter(owner__in=wanted.owners)
    if wanted.state:
        found = found.filter(dismissed_at__isnull=wanted.state == "open")
    if wanted.opened_from:
        found = found.filter(opened_at__gte=day_start(wanted.opened_from))
    if wanted.opened_to:
        found = found.filter(opened_at__lt=day_end(wanted.opened_to))
    return found


def sort_order(sort: str) -> tuple[str, ...]:
    """Columns behind a value of ``?sort=``; an unknown one reads as the default."""
    name = sort.removeprefix("-")
    if name not in _COLUMNS:
        return sort_order(DEFAULT_SORT)
    return (("-" if sort.startswith("-") else "") + _COLUMNS[name],)


def group_page(
    user: Any,
    wanted: GroupFilter,
    *,
    sort: str,
    params: Mapping[str, str],
    now: datetime,
    size: int = 50,
) -> Page:
    """One page of groups with the joins and leaves of the last seven days."""
    since = now - timedelta(days=RECENT_DAYS)
    found = find_groups(user, wanted).select_related("owner")
    counted = found.annotate(
        joins=_customers_who(joined_at__gte=since), leaves=_customers_who(left_at__gte=since)
    )
    page = keyset_page(counted, order=sort_order(sort), params=params, size=size)
    return Page(
        [_row(group) for group in page.rows], page.after, page.before, page.total, page.is_exact
    )


def _customers_who(**happened: datetime) -> Coalesce:
    stays = (
        Membership.unsafe_all.filter(group_id=OuterRef("pk"), customer__isnull=False, **happened)
        .order_by()
        .values("group_id")
        .annotate(n=Count("pk"))
        .values("n")
    )
    return Coalesce(Subquery(stays, output_field=IntegerField()), 0)


def _row(group: Group) -> GroupRow:
    return GroupRow(
        id=group.pk,
        name=str(group),
        owner=group.owner.name if group.owner else "",
        customers=group.customer_count,
        agents=group.agent_count,
        joins=group.joins,
        leaves=group.leaves,
        opened_at=group.opened_at,
        dismissed_at=group.dismissed_at,
    )


def group_days(group: Group, *, days: int, now: datetime) -> list[Day]:
    """Joins and leaves of customers on each of the last ``days`` local days, today included."""
    today = local_day(now)
    first = max(today - timedelta(days=days - 1), min(local_day(group.opened_at), today))
    joins = _by_day(group, "joined_at", first)
    leaves = _by_day(group, "left_at", first)
    span = [first + timedelta(days=n) for n in range((today - first).days + 1)]
    return [Day(on, joins.get(on, 0), leaves.get(on, 0)) for on in span]


def _by_day(group: Group, column: str, first: date) -> dict[date, int]:
    rows = (
        Membership.unsafe_all.filter(group=group, customer__isnull=False)
        .filter(**{f"{column}__gte": day_start(first)})
        .annotate(on=TruncDate(F(column), tzinfo=corp_zone()))
        .values("on")
        .annotate(n=Count("pk"))
        .order_by()
    )
    return {row["on"]: row["n"] for row in rows}


def member_page(
    group: Group, user: Any, *, past: bool, params: Mapping[str, str], size: int = 50
) -> Page:
    """Those who are in the group (newest first), or those who left."""
    stays = (
        Membership.objects.for_user(user)
        .filter(group=group, left_at__isnull=not past)
        .select_related("customer", "agent")
    )
    page = keyset_page(
        stays, order=("-left_at" if past else "-joined_at",), params=params, size=size
    )
    seen = Customer.objects.for_user(user).filter(
        pk__in=[stay.customer_id for stay in page.rows if stay.customer_id]
    )
    may_open = set(seen.values_list("pk", flat=True))
    inviters = _names({stay.invited_by for stay in page.rows if stay.invited_by})
    rows = [_member(stay, may_open, inviters) for stay in page.rows]
    return Page(rows, page.after, page.before, page.total, page.is_exact)


def _member(stay: Membership, may_open: set[int], inviters: dict[str, str]) -> Member:
    person = stay.agent or stay.customer
    return Member(
        name=person.name if person else stay.nickname or stay.userid,
        customer_id=stay.customer_id if stay.customer_id in may_open else None,
        is_agent=stay.agent_id is not None,
        joined_at=stay.joined_at,
        left_at=stay.left_at,
        scene=str(JOIN_SCENES.get(stay.join_scene, "")),
        invited_by=inviters.get(stay.invited_by, stay.invited_by),
    )


def _names(userids: set[str]) -> dict[str, str]:
    names = dict(Agent.unsafe_all.filter(userid__in=userids).values_list("userid", "name"))
    missing = userids - names.keys()
    if missing:
        customers = Customer.unsafe_all.filter(external_userid__in=missing)
        names |= dict(customers.values_list("external_userid", "name"))
    return names
