"""The list of customers: what narrows it, how it is ordered, and its rows."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone
from django.utils.translation import gettext_lazy

from crm.agents.models import Agent, Department
from crm.customers.models import Contact, Customer, CustomerQuerySet, Tag
from crm.shared.formatting import masked_phone
from crm.shared.paging import Page, keyset_page
from crm.shared.times import day_end, day_start
from crm.timeline.models import Fact
from crm.timeline.queries import KIND_IDS

WAITING_DAYS = 7
FEW = 1_000
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


# Only relations of the user's own agents, hence only customers whom the user may see.
_WAITING = """
with unanswered as (
    select customer_id, agent_id, min(at) as since, count(*) as messages
    from crm_fact received
    where kind_id = %(received)s and at >= %(since)s and agent_id = any(%(agents)s::bigint[])
      and not exists (select from crm_fact sent
                      where sent.customer_id = received.customer_id
                        and sent.agent_id = received.agent_id
                        and sent.kind_id = %(sent)s and sent.at >= received.at)
      and exists (select from crm_contact
                  where crm_contact.customer_id = received.customer_id
                    and crm_contact.agent_id = received.agent_id
                    and crm_contact.status = 'active')
    group by customer_id, agent_id
)
select (select count(distinct customer_id) from unanswered),
       customer_id, crm_customer.name, crm_agent.name, since, messages
from unanswered
join crm_customer on crm_customer.id = customer_id
join crm_agent on crm_agent.id = agent_id
order by since, customer_id
limit %(limit)s
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


def find_customers(user: Any, wanted: CustomerFilter) -> CustomerQuerySet:
    """Customers within the user's scope that answer ``wanted``."""
    found = Customer.objects.for_user(user).named_like(wanted.q)
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
    if wanted.waiting:
        found = found.filter(Exists(_unanswered(user).filter(customer_id=OuterRef("pk"))))
    if wanted.events:
        found = found.filter(Exists(_events(wanted)))
    return found


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
    found = find_customers(user, wanted)
    if wanted != CustomerFilter():
        found = _few_by_number(found)
    page = keyset_page(
        found.select_related("channel"), order=sort_order(sort), params=params, size=size
    )
    return Page(customer_rows(page.rows), page.after, page.before, page.total, page.is_exact)


def _few_by_number(found: CustomerQuerySet) -> CustomerQuerySet:
    """The same customers, by their numbers if they are few.

    In the order of a page the planner likes to walk that order's index and to test every customer
    on the way, which takes seconds where hardly anybody matches. Without an order it does not.
    """
    ids = list(found.order_by().values_list("pk", flat=True)[: FEW + 1])
    return Customer.unsafe_all.filter(pk__in=ids) if len(ids) <= FEW else found


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
        "sent": KIND_IDS["message_sent"],
        "since": waiting_since(),
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, values)
        rows = cursor.fetchall()
    return (rows[0][0] if rows else 0), [Waiting(*row[1:]) for row in rows]


def _unanswered(user: Any) -> QuerySet[Fact]:
    """What customers wrote to the user's agents with nothing said in return since."""
    answer = Fact.unsafe_all.filter(
        kind_id=KIND_IDS["message_sent"],
        customer_id=OuterRef("customer_id"),
        agent_id=OuterRef("agent_id"),
        at__gte=OuterRef("at"),
    )
    contact = Contact.unsafe_all.current().filter(
        customer_id=OuterRef("customer_id"), agent_id=OuterRef("agent_id")
    )
    return Fact.unsafe_all.filter(
        ~Exists(answer),
        Exists(contact),
        kind_id=KIND_IDS["message_received"],
        at__gte=waiting_since(),
        agent__in=Agent.objects.for_user(user),
    )


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
