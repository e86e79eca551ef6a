"""Deletions after a send or a post, against what is usual for the same account.

For every account: customers who deleted it within 48 hours, and in each 48 hours of the four weeks
before. The one-sided p is the exact conditional test of two Poisson rates (Przyborowski & Wilenski
1940): given all deletions, the share that fell into the later window is binomial.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from crm.agents.models import Agent, User
from crm.timeline.models import Fact

WINDOW = timedelta(hours=48)
BEFORE_WINDOWS = 14
ALARM = 0.05


@dataclass(frozen=True)
class Start:
    """Something went out from an account; ``key`` tells one from another."""

    key: Hashable
    agent_id: int
    at: datetime


@dataclass(frozen=True)
class Aftermath:
    """One start. ``usual``: the account's mean in 48 hours; ``p_value``: of "no more than it"."""

    start: Start
    agent: str
    usual: float
    p_value: float
    people: tuple[int, ...]

    @property
    def agent_id(self) -> int:
        return self.start.agent_id

    @property
    def deletions(self) -> int:
        return len(self.people)

    @property
    def is_high(self) -> bool:
        return self.p_value < ALARM and self.deletions > self.usual


@dataclass(frozen=True)
class Excess:
    """Everybody who left after something, against how many usually do; see ``p_value``."""

    people: tuple[int, ...]
    usual: float
    p_value: float

    @property
    def is_high(self) -> bool:
        return self.p_value < ALARM and len(self.people) > self.usual

    def as_json(self) -> dict[str, Any]:
        """The test as the API prints it."""
        return {
            "people": len(self.people),
            "usual": self.usual,
            "p_value": self.p_value,
            "is_high": self.is_high,
        }


def together(rows: Iterable[Aftermath]) -> Excess | None:
    """All starts as one, each person once; None where there is none.

    The sum of independent Poisson counts is one, so the test of the parts is that of the whole.
    """
    rows = list(rows)
    if not rows:
        return None
    people = tuple(sorted({pk for row in rows for pk in row.people}))
    usual = sum(row.usual for row in rows)
    before = round(usual * BEFORE_WINDOWS)
    return Excess(people, usual, excess_p(len(people), before, windows=BEFORE_WINDOWS))


def aftermath(starts: Iterable[Start], user: User) -> list[Aftermath]:
    """What followed each start of accounts in scope: most alarming first."""
    starts = list(starts)
    agents = Agent.objects.for_user(user).filter(pk__in={start.agent_id for start in starts})
    seen = dict(agents.values_list("pk", "name"))
    chosen = [start for start in starts if start.agent_id in seen]
    told = _deletions(chosen)
    rows = [_row(start, seen[start.agent_id], told[start.agent_id]) for start in chosen]
    return sorted(rows, key=lambda row: (row.p_value, -row.deletions, row.agent_id))


def _row(start: Start, name: str, told: list[tuple[datetime, int]]) -> Aftermath:
    def place(at: datetime) -> int:
        return bisect_left(told, at, key=lambda row: row[0])

    first = place(start.at)
    after = {customer for _at, customer in told[first : place(start.at + WINDOW)]}
    before = first - place(start.at - BEFORE_WINDOWS * WINDOW)
    usual = before / BEFORE_WINDOWS
    p_value = excess_p(len(after), before, windows=BEFORE_WINDOWS)
    return Aftermath(start, name, usual, p_value, tuple(sorted(after)))


def _deletions(starts: list[Start]) -> dict[int, list[tuple[datetime, int]]]:
    """(when, who) by account, in order of time."""
    found: dict[int, list[tuple[datetime, int]]] = defaultdict(list)
    if not starts:
        return found
    facts = Fact.unsafe_all.filter(
        kind__code="friend_deleted_by_customer",
        agent__in={start.agent_id for start in starts},
        at__gte=min(start.at for start in starts) - BEFORE_WINDOWS * WINDOW,
        at__lt=max(start.at for start in starts) + WINDOW,
    )
    for agent_id, at, customer_id in facts.order_by("at").values_list("agent_id", "at", "customer"):
        found[agent_id].append((at, customer_id))
    return found


def excess_p(after: int, before: int, *, windows: float) -> float:
    """How likely so many in one window are, if they come as in the ``windows`` before it."""
    from scipy.stats import binomtest  # Heavy: half a second when it is first used.

    if not after:
        return 1.0
    share = 1 / (1 + windows)
    return float(binomtest(after, after + before, share, alternative="greater").pvalue)
