"""The list of customers: what narrows it, how it is ordered, and its rows."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import BooleanField, Exists, OuterRef, Q, Subquery
from django.db.models.expressions import RawSQL
from django.utils import timezone
from django.utils.translation import gettext_lazy

from crm.agents.models import Agent, Department
from crm.customers.models import Contact, Customer, CustomerQuerySet, Tag
from crm.customers.talks import Talk, TalkQuerySet
from crm.shared.formatting import masked_phone
from crm.shared.paging import Page, keyset_page
from crm.shared.times import day_end, day_start
from crm.timeline.models import Fact
from crm.timeline.queries import KIND_IDS

WAITING_DAYS = 7
FEW = 10_000
MANY_WAIT = 50_000
DEFAULT_SORT = "-added"
ORIGINS = {
    "wecom": gettext_lazy("企业微信"),
    "import": gettext_lazy("文件导入"),
    "api": gettext_lazy("接口"),
}
_ORDERS = {
    "added": "friend_since",
    "recent": "last_fact_at",
    "name": "name_sort",
    "paid": "paid_cents",
}


# Only relations of the user's own agents, hence only customers whom the user may see. Words older
# than the window may stand before those that are waited for; only then facts are looked at.
_WAITING = """
with unanswered as materialized (
    select talk.customer_id, talk.agent_id, talk.sent_at,
           case when talk.unanswered_since >= %(since)s then talk.unanswered_since else (
               select min(f.at) from crm_fact f
               where f.customer_id = talk.customer_id and f.agent_id = talk.agent_id
                 and f.kind_id = %(received)s and f.at >= %(since)s
                 and f.at > coalesce(talk.sent_at, '-infinity')) end as since
    from crm_talk talk
    where talk.unanswered_since is not null and talk.received_at >= %(since)s
      and talk.agent_id = any(%(agents)s::bigint[])
      and (select status from crm_contact c
           where c.customer_id = talk.customer_id and c.agent_id = talk.agent_id) = 'active'
), shown as (
    select * from unanswered order by since, customer_id limit %(limit)s
)
select (select count(distinct customer_id) from unanswered),
       customer_id, crm_customer.name, crm_agent.name, since,
       (select count(*) from crm_fact f
        where f.customer_id = shown.customer_id and f.agent_id = shown.agent_id
          and f.kind_id = %(received)s and f.at >= shown.since)
from shown
join crm_customer on crm_customer.id = customer_id
join crm_agent on crm_agent.id = agent_id
order by since, customer_id
"""


@dataclass(frozen=True)
class CustomerFilter:
    """What a list of customers is narrowed to; AND across fields, OR inside one.

    ``friend``: friend, lost (was one), never. ``events`` asks for people to whom one of these kinds
    happened, between the days and with the agent or in the group named beside it.
    """

    q: str = ""
    agents: tuple[int, ...] = ()
    departments: tuple[int, ...] = ()
    channels: tuple[int, ...] = ()
    stages: tuple[str, ...] = ()
    tags: tuple[int, ...] = ()
    friend: str = ""
    added_from: date | None = None
    added_to: date | None = None
    has_order: str = ""
    waiting: bool = False
    events: tuple[str, ...] = ()
    event_from: date | None = None
    event_to: date | None = None
    event_agent: int | None = None
    event_group: int | None = None


@dataclass(frozen=True)
class CustomerRow:
    """One line of the list; the phone is masked already."""

    id: int
    name: str
    customer_no: str
    phone: str
    is_friend: bool
    friend_since: datetime | None
    stage: str
    channel: str
    agents: list[str]
    tags: list[str]
    last_fact_at: datetime | None
    order_count: int
    paid_cents: int
    last_paid_at: datetime | None
    last_message_at: datetime | None
    stage_since: datetime | None
    group_count: int
    city: str
    gender: str
    birthday: date | None
    known_since: datetime | None
    origin: str


@dataclass(frozen=True)
class Newcomer:
    """A friend added a moment ago."""

    id: int
    name: str
    agent: str
    channel: str
    at: datetime


@dataclass(frozen=True)
class Waiting:
    """A friend whose words to an agent stand without an answer."""

    id: int
    name: str
    agent: str
    since: datetime
    messages: int


def find_customers(
    user: Any, wanted: CustomerFilter, *, waiting: list[int] | None = None
) -> CustomerQuerySet:
    """Customers within the user's scope that answer ``wanted``.

    ``waiting`` are the numbers of who waits, where they are known already.
    """
    found = Customer.objects.for_user(user)
    if wanted.waiting:
        found = _who_wait(found, waiting or waiting_ids(user), user)
    found = found.named_like(wanted.q)
    if wanted.agents or wanted.departments:
        found = found.filter(Exists(_relations(wanted)))
    if wanted.channels:
        found = found.filter(channel__in=wanted.channels)
    if wanted.stages:
        found = found.filter(stage__in=wanted.stages)
    if wanted.tags:
        found = found.filter(tag_ids__overlap=list(wanted.tags))
    if wanted.friend:
        found = found.filter(_FRIEND[wanted.friend])
    if wanted.added_from:
        found = found.filter(friend_since__gte=day_start(wanted.added_from))
    if wanted.added_to:
        found = found.filter(friend_since__lt=day_end(wanted.added_to))
    if wanted.has_order:
        found = found.filter(_HAS_ORDER[wanted.has_order])
    if wanted.events:
        found = found.filter(Exists(_events(wanted)))
    return found


def waiting_ids(user: Any) -> list[int]:
    """Numbers of customers with unanswered words to an agent whom the user may see, each once.

    They are read once for a page: as a condition they would be worked out for its rows, for its
    total and once more. At most ``MANY_WAIT``, which stands for more.
    """
    if Customer.objects.for_user(user).query.is_empty():
        return []
    ids = _waiting_talks(user).values_list("customer_id", flat=True)[:MANY_WAIT]
    return list(dict.fromkeys(ids))


def _waiting_talks(user: Any) -> TalkQuerySet:
    agents = list(Agent.objects.for_user(user).values_list("pk", flat=True))
    return Talk.unsafe_all.waiting(waiting_since()).filter(agent__in=agents)


def _who_wait(found: CustomerQuerySet, ids: list[int], user: Any) -> CustomerQuerySet:
    """Those of ``found``, which is all that the user may see, who wait for an answer.

    Who is a friend of an agent whom the user may see is seen by the user: the numbers alone say as
    much as the scope.
    """
    if len(ids) < MANY_WAIT:
        return Customer.unsafe_all.filter(_among(ids))
    return found.filter(Exists(_waiting_talks(user).filter(customer_id=OuterRef("pk"))))


def _among(ids: list[int]) -> RawSQL:
    """One parameter, however many numbers."""
    return RawSQL(_AMONG, [ids], output_field=BooleanField())  # noqa: S611


_AMONG = "crm_customer.id = any(%s::bigint[])"
_FRIEND = {
    "friend": Q(is_friend=True),
    "lost": Q(is_friend=False, friend_since__isnull=False),
    "never": Q(friend_since__isnull=True),
}
_HAS_ORDER = {"yes": Q(order_count__gt=0), "no": Q(order_count=0)}


def sort_order(sort: str) -> tuple[str, ...]:
    """Columns behind a value of ``?sort=``; an unknown one reads as the default."""
    name = sort.removeprefix("-")
    if name not in _ORDERS:
        return sort_order(DEFAULT_SORT)
    return (("-" if sort.startswith("-") else "") + _ORDERS[name],)


def customer_page(
    user: Any, wanted: CustomerFilter, *, sort: str, params: Mapping[str, str], size: int = 50
) -> Page:
    """One page of rows, in a constant number of queries."""
    waiting = waiting_ids(user) if wanted.waiting else []
    found, total = find_customers(user, wanted, waiting=waiting), None
    if wanted == CustomerFilter(waiting=True) and len(waiting) < MANY_WAIT:
        total = len(waiting)
    elif wanted != CustomerFilter():
        found = _few_by_number(found)
    page = keyset_page(
        found.select_related("channel"),
        order=sort_order(sort),
        params=params,
        size=size,
        total=total,
    )
    return Page(customer_rows(page.rows), page.after, page.before, page.total, page.is_exact)


def _few_by_number(found: CustomerQuerySet) -> CustomerQuerySet:
    """The same customers, by their numbers if they are few.

    In the order of a page the planner likes to walk that order's index and to test every customer
    on the way, which takes seconds where hardly anybody matches. Without an order it does not.
    """
    ids = list(found.order_by().values_list("pk", flat=True)[: FEW + 1])
    return Customer.unsafe_all.filter(_among(ids)) if len(ids) <= FEW else found


def customer_rows(customers: Iterable[Customer]) -> list[CustomerRow]:
    """Rows of loaded customers, with their agents and tags in two queries."""
    customers = list(customers)
    agents = _current_agents(customers)
    wanted_tags = {tag for customer in customers for tag in customer.tag_ids}
    tags = dict(Tag.objects.filter(pk__in=wanted_tags).values_list("pk", "name"))
    return [
        CustomerRow(
            id=c.pk,
            name=c.name,
            customer_no=c.customer_no or c.external_userid or "",
            phone=masked_phone(c.phone),
            is_friend=c.is_friend,
            friend_since=c.friend_since,
            stage=c.get_stage_display(),
            channel=c.channel.name if c.channel else "",
            agents=agents[c.pk],
            tags=[tags[tag] for tag in c.tag_ids if tag in tags],
            last_fact_at=c.last_fact_at,
            order_count=c.order_count,
            paid_cents=c.paid_cents,
            last_paid_at=c.last_paid_at,
            last_message_at=c.last_message_at,
            stage_since=c.stage_since,
            group_count=c.group_count,
            city=c.city,
            gender=c.get_gender_display() if c.gender else "",
            birthday=c.birthday,
            known_since=c.known_since,
            origin=str(ORIGINS.get(c.origin, c.origin)),
        )
        for c in customers
    ]


def newcomers(
    user: Any, wanted: CustomerFilter, *, since: datetime, limit: int = 5
) -> tuple[int, list[Newcomer]]:
    """How many matching friends were added since the page was opened, and the latest of them."""
    added = Fact.unsafe_all.filter(
        kind_id=KIND_IDS["friend_added"],
        customer_id=OuterRef("pk"),
        recorded_at__gt=since,
        # A first synchronisation records thousands of old friendships: those are no news.
        at__gt=since - timedelta(days=1),
    ).order_by("-at")
    found = find_customers(user, wanted).filter(Exists(added))
    dated = found.select_related("channel").annotate(added_now_at=Subquery(added.values("at")[:1]))
    latest = list(dated.order_by("-added_now_at", "-pk")[:limit])
    total = len(latest) if len(latest) < limit else found.count()
    agents = _current_agents(latest)
    return total, [
        Newcomer(
            id=c.pk,
            name=c.name,
            agent="、".join(agents[c.pk]),
            channel=c.channel.name if c.channel else "",
            at=c.added_now_at,
        )
        for c in latest
    ]


def waiting_since(now: datetime | None = None) -> datetime:
    """Words older than this are no longer waited for."""
    return (now or timezone.now()) - timedelta(days=WAITING_DAYS)


def waiting_people(user: Any, *, limit: int) -> tuple[int, list[Waiting]]:
    """How many friends wait for an answer, and those who have waited longest."""
    values = {
        "agents": list(Agent.objects.for_user(user).values_list("pk", flat=True)),
        "received": KIND_IDS["message_received"],
        "since": waiting_since(),
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, values)
        rows = cursor.fetchall()
    return (rows[0][0] if rows else 0), [Waiting(*row[1:]) for row in rows]


def _current_agents(customers: list[Customer]) -> dict[int, list[str]]:
    names: dict[int, list[str]] = defaultdict(list)
    contacts = (
        Contact.unsafe_all.current()
        .filter(customer__in=[c.pk for c in customers])
        .order_by("added_at")
        .values_list("customer_id", "agent__name")
    )
    for customer_id, name in contacts:
        names[customer_id].append(name)
    return names


def _relations(wanted: CustomerFilter):
    relations = Contact.unsafe_all.filter(customer_id=OuterRef("pk"))
    if wanted.friend != "lost":
        relations = relations.current()
    if wanted.agents:
        relations = relations.filter(agent__in=wanted.agents)
    if wanted.departments:
        chosen = Department.objects.filter(pk__in=wanted.departments)
        relations = relations.filter(agent__in=Agent.unsafe_all.within(chosen))
    return relations


def _events(wanted: CustomerFilter):
    facts = Fact.unsafe_all.filter(customer_id=OuterRef("pk"), kind__code__in=wanted.events)
    if wanted.event_from:
        facts = facts.filter(at__gte=day_start(wanted.event_from))
    if wanted.event_to:
        facts = facts.filter(at__lt=day_end(wanted.event_to))
    if wanted.event_agent:
        facts = facts.filter(agent=wanted.event_agent)
    if wanted.event_group:
        facts = facts.filter(group=wanted.event_group)
    return facts
