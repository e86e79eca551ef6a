"""Who would get the task and how many customers could see it, by WeCom's ``visible_range``.

Senders only: they publish to all their customers. Tags only: everybody who follows a customer with
such a tag publishes, to these customers. Both: the senders publish, to their tagged customers. A
customer carries a tag per agent, and any of several tags is enough. WeCom is always told the agents
by name: an empty range would mean the whole company.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, QuerySet

from crm.agents.models import Agent, Department, User
from crm.customers.models import Contact, Customer
from crm.moments.models import Moment
from crm.outbox.models import PlatformQuota
from crm.outbox.slots import exhausted

CUSTOMER_DAY = "moment.customer_day"


@dataclass(frozen=True)
class Choice:
    """What was ticked: who publishes and which tags narrow who sees it."""

    everyone: bool = False
    sender_ids: tuple[int, ...] = ()
    department_ids: tuple[int, ...] = ()
    tag_ids: tuple[int, ...] = ()

    @classmethod
    def of(cls, moment: Moment) -> "Choice":
        """The choice stored on a moment."""
        return cls(
            everyone=moment.everyone,
            sender_ids=tuple(moment.senders.values_list("pk", flat=True)),
            department_ids=tuple(moment.sender_departments.values_list("pk", flat=True)),
            tag_ids=tuple(moment.tags.values_list("pk", flat=True)),
        )

    @property
    def names_senders(self) -> bool:
        """Whether somebody was chosen to publish, rather than found through tags."""
        return self.everyone or bool(self.sender_ids or self.department_ids)


@dataclass(frozen=True)
class Share:
    """One agent's part of the audience."""

    agent: Agent
    customers: int


@dataclass(frozen=True)
class Plan:
    """The audience as far as we know it: ``absent`` cannot post, ``idle`` have nobody to show."""

    shares: tuple[Share, ...]
    customers: int
    absent: tuple[Agent, ...] = ()
    idle: tuple[Agent, ...] = ()

    @property
    def agents(self) -> int:
        """How many agents get a task."""
        return len(self.shares)


EMPTY = Plan((), 0)


def plan(
    choice: Choice, *, within: User | None = None, only: Collection[int] | None = None
) -> Plan:
    """Resolve a choice into agents and customers, within a user's agents or ``only`` some."""
    if not choice.names_senders and not choice.tag_ids:
        return EMPTY
    chosen = _chosen(choice)
    if within is not None:
        chosen = chosen.filter(pk__in=Agent.objects.for_user(within).values("pk"))
    if only is not None:
        chosen = chosen.filter(pk__in=only)
    named = list(chosen.select_related("department"))
    absent = tuple(agent for agent in named if agent.status != Agent.Status.ACTIVE)
    able = [agent for agent in named if agent.status == Agent.Status.ACTIVE]
    contacts = _contacts(choice, [agent.pk for agent in able])
    counts = dict(
        contacts.values("agent_id")
        .annotate(n=Count("customer_id", distinct=True))
        .values_list("agent_id", "n")
    )
    return Plan(
        shares=tuple(Share(agent, counts[agent.pk]) for agent in able if agent.pk in counts),
        customers=contacts.aggregate(n=Count("customer_id", distinct=True))["n"],
        absent=absent,
        idle=tuple(agent for agent in able if agent.pk not in counts),
    )


def customer_ids(choice: Choice, agent_ids: Collection[int]) -> list[int]:
    """The customers whom these agents would show it to."""
    contacts = _contacts(choice, agent_ids)
    return sorted(set(contacts.values_list("customer_id", flat=True)))


def readers(moment: Moment, *, by: User) -> QuerySet[Customer]:
    """Everybody who could see it: through the agents of its tasks, or those whom ``by`` may ask."""
    choice = Choice.of(moment)
    if not choice.names_senders and not choice.tag_ids:
        return Customer.unsafe_all.none()
    if moment.state == Moment.State.DRAFT:
        agents = _chosen(choice).filter(pk__in=Agent.objects.for_user(by).values("pk"))
    else:
        agents = Agent.unsafe_all.filter(moment_tasks__moment=moment)
    contacts = _contacts(choice, agents.values("pk"))
    return Customer.unsafe_all.filter(pk__in=contacts.values("customer_id"))


def already_full(choice: Choice, agent_ids: Collection[int], *, now: datetime) -> int:
    """How many of these customers have reached the day's cap and will not see one more."""
    quota = PlatformQuota.in_force(now).get(CUSTOMER_DAY)
    if quota is None:
        return 0
    subjects = [str(pk) for pk in customer_ids(choice, agent_ids)]
    return len(exhausted(quota, subjects, now=now))


def _chosen(choice: Choice) -> QuerySet[Agent]:
    if choice.everyone:
        return Agent.unsafe_all.active()
    if choice.names_senders:
        departments = Department.objects.filter(pk__in=choice.department_ids)
        inside = Agent.unsafe_all.active().within(departments)
        return Agent.unsafe_all.filter(Q(pk__in=choice.sender_ids) | Q(pk__in=inside.values("pk")))
    tagged = Contact.unsafe_all.current().filter(tags__in=choice.tag_ids)
    return Agent.unsafe_all.active().filter(pk__in=tagged.values("agent_id"))


def _contacts(choice: Choice, agent_ids: Collection[int] | QuerySet) -> QuerySet[Contact]:
    contacts = Contact.unsafe_all.current().filter(agent_id__in=agent_ids)
    return contacts.filter(tags__in=choice.tag_ids) if choice.tag_ids else contacts
