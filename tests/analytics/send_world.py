"""Sends with a control whose people did known things afterwards."""

from datetime import timedelta

from django.utils import timezone

from crm.agents.models import Agent
from crm.outreach.models import MassBatch, MassRecipient, MassSend
from tests import factories


def made_send(*, days_ago: float = 10, percent: int = 20, **more) -> MassSend:
    """A send that went out some days ago."""
    return MassSend.unsafe_all.create(
        title="三亚早鸟", send_at=timezone.now() - timedelta(days=days_ago), state="sent",
        content_hash="-", approved_hash="-", control_percent=percent, control_salt="salt", **more,
    )  # fmt: skip


def add_people(send: MassSend, agent: Agent, n: int, *, held: bool = False) -> list:
    """Friends of the agent in one arm."""
    batch, _new = MassBatch.unsafe_all.get_or_create(
        send=send, agent=agent, number=0, defaults={"size": n, "state": "done"}
    )
    friends = [factories.make_friend(agent) for _n in range(n)]
    MassRecipient.unsafe_all.bulk_create(
        MassRecipient(
            send=send, customer=one, agent=agent, batch=None if held else batch,
            state="skipped" if held else "done", reason="control" if held else "",
        )
        for one in friends
    )  # fmt: skip
    return friends


def told(customer, kind: str, send: MassSend, days: float, **more) -> None:
    """A fact so many days after the send."""
    factories.make_fact(customer, kind, send.send_at + timedelta(days=days), **more)
