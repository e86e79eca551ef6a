"""What agents send of their own accord: it counts in what a customer or group may receive.

WeCom lists it like our own sends, with the agent as creator. Who received it is asked often at
first and ever more rarely, until two days are over.
"""

from datetime import datetime, timedelta

import structlog
from django.db import transaction

from crm import wecom
from crm.agents.models import Agent
from crm.customers.models import Customer
from crm.groups.models import Group
from crm.outreach.caps import AgentSend, SendSlot
from crm.shared.times import local_day
from crm.wecom import Client, Misconfigured, NotReachable, OutcomeUnknown, Refused, RetryLater
from crm.wecom.mass_records import MassSeen, MassStatus

log = structlog.get_logger(__name__)

# Looked for in this window, which overlaps the one before.
WINDOW = timedelta(days=2)
TROUBLE_WAIT = timedelta(minutes=1)
A_ROUND = 100
# How often we ask, by the age of the send: (younger than, every).
PACE = (
    (timedelta(minutes=30), timedelta(minutes=5)),
    (timedelta(hours=6), timedelta(minutes=30)),
    (WINDOW, timedelta(hours=3)),
)
_TROUBLES = (RetryLater, NotReachable, OutcomeUnknown, Misconfigured, Refused)


def find_own_sends(*, now: datetime) -> int:
    """Note the mass sends that agents made of their own accord; returns how many are new.

    Where WeCom cannot be asked, the next round's window still holds them.
    """
    before = AgentSend.objects.count()
    for chat_type in ("single", "group"):
        try:
            seen = wecom.client().mass_sends(now - WINDOW, now, chat_type=chat_type)
        except _TROUBLES as trouble:
            log.warning("outreach.own_sends_later", chat_type=chat_type, reason=str(trouble)[:200])
            continue
        _note([one for one in seen if one.is_personal], chat_type == "group", now)
    return AgentSend.objects.count() - before


def _note(own: list[MassSeen], is_to_groups: bool, now: datetime) -> None:
    userids = {one.creator for one in own}
    agents = dict(Agent.unsafe_all.filter(userid__in=userids).values_list("userid", "pk"))
    AgentSend.objects.bulk_create(
        [
            AgentSend(
                msgid=one.msgid,
                agent_id=agents[one.creator],
                is_to_groups=is_to_groups,
                created_at=one.created_at,
                ask_at=now,
            )
            for one in own
            if one.creator in agents
        ],
        ignore_conflicts=True,
    )


def count_own_sends(*, now: datetime) -> int:
    """Let what agents sent themselves count in the caps of whoever received it."""
    due = AgentSend.objects.filter(ask_at__lte=now).select_related("agent")
    counted = 0
    for send in due[:A_ROUND]:
        try:
            counted += _count_own(send, wecom.client(), now)
        except _TROUBLES as trouble:
            log.info("outreach.own_send_later", msgid=send.msgid, reason=str(trouble)[:200])
            AgentSend.objects.filter(pk=send.pk).update(ask_at=now + TROUBLE_WAIT)
    return counted


@transaction.atomic
def _count_own(send: AgentSend, client: Client, now: datetime) -> int:
    received = [
        seen
        for seen in client.mass_send_results(send.msgid, send.agent.userid)
        if seen.status == MassStatus.SENT
    ]
    names = [seen.chat_id if send.is_to_groups else seen.external_userid for seen in received]
    if send.is_to_groups:
        known = dict(Group.unsafe_all.filter(chat_id__in=names).values_list("chat_id", "pk"))
    else:
        people = Customer.unsafe_all.filter(external_userid__in=names)
        known = dict(people.values_list("external_userid", "pk"))
    field = "group_id" if send.is_to_groups else "customer_id"
    slots = [
        SendSlot(
            **{field: known[name]},
            bucket="own",
            day=local_day(seen.sent_at or send.created_at),
            msgid=send.msgid,
            taken_at=now,
        )
        for name, seen in zip(names, received, strict=True)
        if name in known
    ]
    SendSlot.objects.bulk_create(slots, ignore_conflicts=True, batch_size=1_000)
    AgentSend.objects.filter(pk=send.pk).update(
        received=len(slots), ask_at=_next_question(send, now)
    )
    return len(slots)


def _next_question(send: AgentSend, now: datetime) -> datetime | None:
    age = now - send.created_at
    wait = next((every for younger, every in PACE if age < younger), None)
    return None if wait is None else now + wait
