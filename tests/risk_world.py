"""People who were written to, answered, paid and deleted, made in bulk."""

import random
from datetime import datetime, timedelta
from itertools import count

from crm.outreach.caps import SendSlot
from crm.outreach.models import MassRecipient, MassSend
from crm.risk.actions import Learned, publish_model
from crm.risk.features import CODES
from crm.risk.models import RiskModel
from crm.shared.times import local_day
from crm.timeline.actions import NewFact, append_facts
from tests.factories import make_agent, make_friend

_serial = count(1)


def touched(customer, agent, at: datetime, kind: str = "promotion") -> MassRecipient:
    """One mass message that arrived."""
    send = MassSend.unsafe_all.create(
        title="早鸟", send_at=at, state="sent", content_hash="-", content_kind=kind
    )
    row = MassRecipient.unsafe_all.create(
        send=send, customer=customer, agent=agent, state="done", sent_at=at
    )
    SendSlot.objects.create(
        customer=customer, bucket=f"b{next(_serial)}", n=1, cap=9, day=local_day(at),
        recipient=row, taken_at=at,
    )  # fmt: skip
    return row


def told(customer, agent, kind: str, at: datetime) -> None:
    """One fact."""
    fact = NewFact(
        customer.pk, kind, at, agent_id=agent.pk, source="test", source_key=f"r{next(_serial)}"
    )
    append_facts([fact], now=at)


def crowd(seed: int, now: datetime, people: int = 12):
    """Friends of three agents with a random half year behind them: [(customer, agent)]."""
    dice = random.Random(seed)
    agents = [make_agent() for _n in range(3)]
    found = []
    for _n in range(people):
        agent = dice.choice(agents)
        days = dice.choice([3.5, 40.5, 170.5])
        customer = make_friend(agent, added_at=now - timedelta(days=days))
        found.append((customer, agent))
        for _touch in range(dice.choice([0, 1, 4, 9])):
            at = now - timedelta(days=dice.uniform(0.1, 100))
            touched(customer, agent, at, dice.choice(["promotion", "promotion", "greeting"]))
        for kind in (
            "message_received",
            "order_paid",
            "friend_added",
            "friend_deleted_by_customer",
        ):
            for _fact in range(dice.choice([0, 0, 1, 3])):
                when = now - timedelta(days=dice.uniform(0.1, 120))
                told(customer, dice.choice(agents), kind, when)
    return found


def make_model(now: datetime, *, base_rate: float = 0.02, **weights: float) -> RiskModel:
    """A trusted version with these weights of features that are standardised already."""
    rows = [
        {"code": code, "weight": weights.get(code, 0.0), "mean": 0.0, "sd": 1.0} for code in CODES
    ]
    intercept = weights.get("intercept", -4.0)
    numbers = {"touches": 900, "deleted": 80, "customers": 300, "from": None, "to": None}
    ranking = {"value": 0.7, "low": 0.65, "high": 0.75}
    decile = {"decile": 1, "foretold": 0.02, "x": 2, "n": 90, "rate": 2 / 90, "low": 0, "high": 0.1}
    return publish_model(
        Learned(
            "trusted",
            {"fit": numbers, "test": numbers},
            intercept=intercept,
            weights=rows,
            base_rate=base_rate,
            validation={
                "auc": ranking, "brier": 0.019, "brier_of_base_rate": 0.02, "deciles": [decile],
            },
        ),
        by=None,
        now=now,
    )  # fmt: skip
