"""Handovers in numbers: the states of one add up to the customers of its agent."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q

from crm.agents.models import Agent, User
from crm.customers.models import Contact
from crm.handover.models import GroupTransfer, Handover, State, Transfer

LEVELS = {
    State.PLANNED: "brand",
    State.CALLING: "brand",
    State.WAITING: "brand",
    State.DONE: "good",
    State.REFUSED: "warn",
    State.FULL: "warn",
    State.FAILED: "bad",
}


@dataclass(frozen=True)
class StateCount:
    """How many customers of a handover stand so."""

    state: str
    label: str
    level: str
    count: int


@dataclass(frozen=True)
class Progress:
    """All customers of a handover by state; ``total`` is their sum.

    ``newcomers``: friends whom the giver made after the plan; they are in no transfer.
    """

    states: tuple[StateCount, ...]
    total: int
    newcomers: int
    groups: tuple[StateCount, ...]
    again: int
    stoppable: int
    next_due_at: datetime | None

    def count(self, state: str) -> int:
        """Customers in one state."""
        return next((one.count for one in self.states if one.state == state), 0)


def progress(handover: Handover) -> Progress:
    """Where every customer and group of a handover stands."""
    latest = Transfer.unsafe_all.latest().filter(handover=handover)
    counts = dict(latest.values_list("state").annotate(n=Count("pk")).order_by())
    groups = GroupTransfer.unsafe_all.filter(handover=handover)
    group_counts = dict(groups.values_list("state").annotate(n=Count("pk")).order_by())
    friends = Contact.unsafe_all.current().filter(agent=handover.giver)
    newcomers = friends.exclude(customer__in=latest.values("customer")).count()
    waiting = latest.filter(state=State.WAITING).order_by("due_at")
    return Progress(
        states=_states(counts),
        total=sum(counts.values()),
        newcomers=newcomers,
        groups=_states(group_counts),
        again=sum(counts.get(state, 0) for state in (State.REFUSED, State.FULL, State.FAILED)),
        stoppable=latest.filter(state=State.PLANNED).count(),
        next_due_at=waiting.values_list("due_at", flat=True).first(),
    )


def _states(counts: dict[str, int]) -> tuple[StateCount, ...]:
    return tuple(
        StateCount(state.value, str(state.label), LEVELS.get(state, ""), counts.get(state, 0))
        for state in State
    )


def handovers(user: User):
    """Those that the user may see, with how many customers are done and how many are open."""
    latest = Q(transfers__is_latest=True)
    seen = Handover.objects.for_user(user).select_related("giver", "created_by__agent")
    return seen.annotate(
        n_done=Count("transfers", filter=latest & Q(transfers__state=State.DONE)),
        n_open=Count(
            "transfers", filter=latest & Q(transfers__state__in=("planned", "calling", "waiting"))
        ),
        n_again=Count(
            "transfers", filter=latest & Q(transfers__state__in=("refused", "full", "failed"))
        ),
    )


def leavers(user: User) -> list[Agent]:
    """Agents who have left and whose customers nobody has taken over, most customers first."""
    left = Agent.objects.for_user(user).filter(status=Agent.Status.LEFT)
    friends = Count("contacts", filter=Q(contacts__status=Contact.Status.ACTIVE))
    return list(left.annotate(n=friends).filter(n__gt=0).order_by("-n", "pk")[:50])


def friends_of_agents(user: User) -> dict[int, int]:
    """How many friends each agent has whom the user may see; agents without any are not in it."""
    seen = Contact.unsafe_all.current().filter(agent__in=Agent.objects.for_user(user))
    return dict(seen.values("agent").annotate(n=Count("pk")).values_list("agent", "n"))


def coming(user: User):
    """Customers on their way to agents whom the user may see: what they may know beforehand."""
    agents = Agent.objects.for_user(user)
    rows = Transfer.objects.for_user(user).open().filter(taker__in=agents)
    return rows.select_related("customer", "giver", "taker").order_by("due_at", "pk")
