"""Reminding agents who have not pressed send: within WeCom's three a day, never once they have."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from crm.agents.actions import audit
from crm.agents.models import Agent, User
from crm.outbox import actions as outbox
from crm.outbox.actions import NewItem
from crm.outbox.models import PlatformQuota
from crm.outbox.slots import exhausted
from crm.outreach import policies
from crm.outreach.actions import NotAllowed
from crm.outreach.models import MassBatch, MassSend
from crm.outreach.rules import REMIND

# A reminder that could not go out within two hours is no longer the reminder that was meant.
STALE = timedelta(hours=2)
APART = timedelta(minutes=30)


def laggards(send: MassSend, user: User):
    """Batches that agents in the user's scope were handed and have not sent."""
    return MassBatch.unsafe_all.filter(
        send=send,
        state=MassBatch.State.DONE,
        msgid__isnull=False,
        confirmed_at__isnull=True,
        stopped_at__isnull=True,
        agent__in=Agent.objects.for_user(user).filter(status=Agent.Status.ACTIVE),
    )


@transaction.atomic
def remind_agents(*, send_id: int, by: User, now: datetime) -> int:
    """Remind everybody who has not sent and may be reminded now; returns how many batches.

    Raises NotAllowed when nobody is left to remind.
    """
    # The send is not locked: dispatchers lock a batch first and then its send.
    send = MassSend.unsafe_all.get(pk=send_id)
    if not policies.can_remind(by, send):
        raise NotAllowed(_("这次群发现在无需提醒"))
    batches = laggards(send, by)
    if quota := PlatformQuota.in_force(now).get(REMIND):
        subjects = [subject_of(pk) for pk in batches.values_list("pk", flat=True)]
        full = {subject.removeprefix("batch:") for subject in exhausted(quota, subjects, now=now)}
        batches = batches.exclude(pk__in=[int(pk) for pk in full])
    queued = sum(_remind(pk, by, now) for pk in batches.order_by("pk").values_list("pk", flat=True))
    if not queued:
        raise NotAllowed(_("没有可提醒的员工：都已发送，或刚提醒过，或今天已提醒满次数"))
    audit(by, "send.remind", send, now=now, batches=queued)
    return queued


def _remind(batch_id: int, by: User, now: datetime) -> bool:
    batch = MassBatch.unsafe_all.select_for_update().get(pk=batch_id)
    if batch.confirmed_at or (batch.reminded_at and batch.reminded_at > now - APART):
        return False
    batch.reminders += 1
    batch.reminded_at = now
    batch.save(update_fields=["reminders", "reminded_at"])
    outbox.enqueue(
        NewItem(
            kind=REMIND,
            key=f"{REMIND}:{batch.pk}:{batch.reminders}",
            subject=batch,
            title=f"{batch.send.title} · {batch.agent.name}",
            due_at=now,
            give_up_at=now + STALE,
        ),
        by=by,
    )
    return True


def subject_of(batch_id: int) -> str:
    """What WeCom counts reminders by: one message, which is one batch."""
    return f"batch:{batch_id}"
