"""Standing figures, slow and obvious: everything is counted from a plain list of facts.

Shares nothing with the product's SQL. The journey is judged by the funnel's own oracle.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tests.analytics.oracle import judge

ZONE = ZoneInfo("Asia/Shanghai")
STEPS = ("friend_added", "group_joined", "retained", "active", "order_paid", "repeat_order")
WINDOW = 30 * 86_400 * 1_000_000
ENDS = ("friend_deleted_by_customer", "friend_deleted_by_agent", "friend_transferred")
_COUNTED = ("friend_added", *ENDS[:2], "message_received", "message_sent")


@dataclass(frozen=True)
class Told:
    """One fact; `number` is its place in order of recording."""

    number: int
    customer: int
    kind: str
    at: datetime
    agent: int | None = None
    group: int | None = None
    channel: int | None = None


def day_of(at: datetime):
    return at.astimezone(ZONE).date()


def states(facts: list[Told], own_channels: dict[int, int]) -> dict[int, tuple]:
    """customer -> (entry day, last entry day, level, agent, channel) of whoever has an entry."""
    found = {}
    for customer in {fact.customer for fact in facts}:
        mine = sorted(
            (fact for fact in facts if fact.customer == customer),
            key=lambda fact: (fact.at, fact.number),
        )
        journey = [fact for fact in mine if fact.kind in STEPS]
        log = [(micros(fact.at), fact.kind) for fact in journey]
        verdict = judge(log, [{step} for step in STEPS], window=WINDOW)
        if not verdict.level:
            continue
        entry = journey[verdict.entry]
        last = [fact for fact in journey if fact.kind == STEPS[0]][-1]
        before = mine[: mine.index(entry) + 1]
        agents = [fact.agent for fact in before if fact.agent]
        channels = [fact.channel for fact in before if fact.channel]
        found[customer] = (
            day_of(entry.at),
            day_of(last.at),
            verdict.level,
            agents[-1] if agents else None,
            channels[-1] if channels else own_channels.get(customer),
        )
    return found


def micros(at: datetime) -> int:
    return (at - datetime(2020, 1, 1, tzinfo=ZONE)) // timedelta(microseconds=1)


def agent_days(facts: list[Told]) -> dict[tuple, tuple]:
    """(day, agent) -> added, lost, dropped, received, sent."""
    counts: dict[tuple, Counter] = defaultdict(Counter)
    for fact in facts:
        if fact.agent and fact.kind in _COUNTED:
            counts[day_of(fact.at), fact.agent][fact.kind] += 1
    return {cell: tuple(of[kind] for kind in _COUNTED) for cell, of in counts.items()}


def moves(facts: list[Told]) -> Counter:
    """(customer, day, pool, what happened, what it meant) -> how often."""
    found: Counter = Counter()
    for customer in {fact.customer for fact in facts}:
        mine = [fact for fact in facts if fact.customer == customer]
        friends = [fact for fact in mine if fact.kind in (STEPS[0], *ENDS)]
        groups = [fact for fact in mine if fact.kind in ("group_joined", "group_left")]
        for pool, told in (("friends", friends), ("groups", groups)):
            for move in _walk(told):
                found[customer, move[0], pool, *move[1:]] += 1
    return found


def _walk(told: list[Told]):
    inside: set[int] = set()
    gone_by, was_inside = None, False
    # At one instant beginnings stand before ends.
    begins = (STEPS[0], "group_joined")
    order = [*begins, *ENDS, "group_left"]
    told = sorted(told, key=lambda f: (f.at, order.index(f.kind), f.number))
    for day in sorted({day_of(fact.at) for fact in told}):
        flips = []
        for fact in told:
            link = (fact.group if fact.kind.startswith("group") else fact.agent) or 0
            if day_of(fact.at) == day and (fact.kind in begins) != (link in inside):
                inside ^= {link}
                flips.append(fact.kind)
        for kind in flips[:-1]:
            yield day, kind, "stayed"
        if not flips:
            continue
        meaning = "stayed"
        if inside and not was_inside:
            meaning = {None: "first", ENDS[2]: "handed_over"}.get(gone_by, "back")
        elif was_inside and not inside:
            meaning, gone_by = "out", flips[-1]
        was_inside = bool(inside)
        yield day, flips[-1], meaning
