"""Deletions after a send, against what is usual for the same accounts.

For every agent: customers who deleted them within 48 hours of the send, and in each 48 hours of the
four weeks before. The one-sided p is the exact conditional test of two Poisson rates (Przyborowski
& Wilenski 1940): given all deletions, the share that fell into the later window is binomial.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from crm.agents.models import Agent, User
from crm.timeline.models import Fact

WINDOW = timedelta(hours=48)
BEFORE_WINDOWS = 14
ALARM = 0.05


@dataclass(frozen=True)
class Aftermath:
    """One account. ``usual`` is its mean per 48 hours; ``p_value`` of "no more than usual"."""

    agent_id: int
    agent: str
    deletions: int
    usual: float
    p_value: float
    people: tuple[int, ...]

    @property
    def is_high(self) -> bool:
        return self.p_value < ALARM and self.deletions > self.usual


def aftermath(starts: Iterable[tuple[int, datetime]], user: User) -> list[Aftermath]:
    """For each (agent, when their send or post went out) in scope: most alarming first."""
    begun = dict(starts)
    seen = dict(Agent.objects.for_user(user).filter(pk__in=begun).values_list("pk", "name"))
    after: dict[int, set[int]] = {pk: set() for pk in seen}
    before: Counter[int] = Counter()
    for agent_id, customer_id, at in _deletions(begun, list(seen)):
        since = begun[agent_id]
        if since <= at < since + WINDOW:
            after[agent_id].add(customer_id)
        elif since - BEFORE_WINDOWS * WINDOW <= at < since:
            before[agent_id] += 1
    rows = [
        Aftermath(
            pk, seen[pk], len(people), before[pk] / BEFORE_WINDOWS,
            _p_value(len(people), before[pk]), tuple(sorted(people)),
        )
        for pk, people in after.items()
    ]  # fmt: skip
    return sorted(rows, key=lambda row: (row.p_value, -row.deletions, row.agent_id))


def _deletions(begun: dict[int, datetime], agents: list[int]) -> list[tuple[int, int, datetime]]:
    if not agents:
        return []
    starts = [begun[pk] for pk in agents]
    facts = Fact.unsafe_all.filter(
        kind__code="friend_deleted_by_customer",
        agent__in=agents,
        at__gte=min(starts) - BEFORE_WINDOWS * WINDOW,
        at__lt=max(starts) + WINDOW,
    )
    return list(facts.values_list("agent_id", "customer_id", "at"))


def _p_value(after: int, before: int) -> float:
    from scipy.stats import binomtest  # Heavy: half a second when it is first used.

    if not after:
        return 1.0
    share = 1 / (1 + BEFORE_WINDOWS)
    return float(binomtest(after, after + before, share, alternative="greater").pvalue)
