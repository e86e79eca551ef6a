"""What the benches of standing figures share: a population, streams of facts."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
from django.db import connection

from crm.agents.models import Agent
from crm.customers.models import Channel, Customer
from crm.groups.models import Group
from crm.timeline.actions import NewFact

SEED = 20_261_126
AGENTS, CHANNELS, GROUPS = 3_000, 20, 2_000
START = datetime(2026, 9, 1, tzinfo=UTC)
DAYS = 60

_CUSTOMERS = """
insert into crm_customer ({columns}) select {columns} from crm_customer
cross join generate_series(1, {number}) as n where id = {first}
"""
# kind, share of the stream; a quarter of the facts are steps of the journey.
_KINDS = (
    ("message_received", 0.38),
    ("message_sent", 0.24),
    ("route_viewed", 0.08),
    ("friend_added", 0.05),
    ("group_joined", 0.06),
    ("retained", 0.04),
    ("active", 0.05),
    ("order_paid", 0.04),
    ("repeat_order", 0.02),
    ("friend_deleted_by_customer", 0.02),
    ("friend_deleted_by_agent", 0.005),
    ("group_left", 0.015),
)


def populate(customers: int) -> None:
    """Agents, channels, groups and customers, numbered from 1."""
    Agent.unsafe_all.bulk_create(
        Agent(userid=f"bench{n}", name=f"Agent {n}") for n in range(1, AGENTS + 1)
    )
    Channel.objects.bulk_create(
        Channel(code=f"bench{n}", name=f"Channel {n}") for n in range(1, CHANNELS + 1)
    )
    Group.unsafe_all.bulk_create(
        Group(chat_id=f"bench{n}", name=f"Group {n}", opened_at=START) for n in range(1, GROUPS + 1)
    )
    first = Customer.unsafe_all.create(name="Customer", origin="bench")
    columns = [field.column for field in Customer._meta.concrete_fields if not field.primary_key]
    with connection.cursor() as cursor:
        for low in range(1, customers, 100_000):
            cursor.execute(
                _CUSTOMERS.format(
                    columns=", ".join(columns),
                    number=min(customers - low, 100_000),
                    first=first.pk,
                )
            )
        cursor.execute("vacuum analyze crm_customer")


class Stream:
    """Facts in order of time, some of them late, some told twice."""

    def __init__(self, customers: int, *, seed: int = 0, late: float = 0.03, twice: float = 0.02):
        self.dice = np.random.default_rng([SEED, seed])
        self.customers, self.late, self.twice = customers, late, twice
        self.second = 0.0
        self.number = 0
        self.seed = seed

    def batch(self, size: int, *, seconds: float = 60.0) -> list[NewFact]:
        """The next ``size`` facts, which happen within ``seconds``."""
        dice = self.dice
        kinds = dice.choice(len(_KINDS), size, p=[share for _kind, share in _KINDS])
        # Few customers do much, most do little.
        who = (self.customers * dice.power(0.6, size)).astype(int) % self.customers + 1
        when = self.second + np.sort(dice.random(size)) * seconds
        when -= np.where(dice.random(size) < self.late, dice.exponential(86_400 * 3, size), 0)
        self.second += seconds
        rows = zip(who.tolist(), kinds.tolist(), when.tolist(), strict=True)
        facts = [self._fact(*row) for row in rows]
        again = dice.integers(0, size, int(size * self.twice)).tolist()
        return facts[: size - len(again)] + [facts[place] for place in again]

    def _fact(self, customer: int, kind: int, second: float) -> NewFact:
        self.number += 1
        code = _KINDS[kind][0]
        grouped = code.startswith("group")
        at = START + timedelta(days=DAYS / 2, seconds=int(second))
        return NewFact(
            customer,
            code,
            at,
            "bench",
            f"{self.seed}:{self.number}",
            agent_id=None if grouped else customer % AGENTS + 1,
            group_id=customer % GROUPS + 1 if grouped else None,
            channel_id=customer % CHANNELS + 1 if code == "friend_added" else None,
        )


def batches(stream: Stream, number: int, size: int) -> Iterator[list[NewFact]]:
    """Several batches, made before anything is timed."""
    return iter([stream.batch(size) for _ in range(number)])
