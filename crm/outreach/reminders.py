"""Reminding agents who have not pressed send: within WeCom's three a day, never once they have."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from crm.agents.actions import audit
from crm.agents.models import Agent, User
from crm.outbox import actions as outbox
from crm.outbox.actions import NewItem
from crm.outbox.models import PlatformQuota
from crm.outbox.slots import exhausted, next_free
from crm.outreach import policies
from crm.outreach.actions import NotAllowed
from crm.outreach.models import MassBatch, MassBatchQuerySet, MassSend
from crm.outreach.rules import REMIND
from crm.shared import faults
from crm.shared.times import corp_zone

# A reminder that could not go out within two hours is no longer the reminder that was meant.
STALE = timedelta(hours=2)
APART = timedelta(minutes=30)
FORGOTTEN = timedelta(days=3)  # Who has not sent by then is nagged in vain.


def laggards(send: MassSend, user: User) -> MassBatchQuerySet:
    """Batches that agents in the user's scope were handed and have not sent."""
    agents = Agent.objects.for_user(user)
    return MassBatch.unsafe_all.outstanding().filter(send=send, agent__in=agents)


def hours() -> list[float]:
    """Hours after hand-over at which laggards are reminded (``SEND_REMIND_HOURS``)."""
    return sorted(settings.SEND_REMIND_HOURS)


def remind_laggards(*, now: datetime) -> int:
    """Queue the automatic reminders that are due; returns how many."""
    queued = 0
    for number, after in enumerate(hours(), 1):
        due = MassBatch.unsafe_all.outstanding().filter(
            accepted_at__lte=now - timedelta(hours=after),
            accepted_at__gt=now - FORGOTTEN,
            reminders__lt=number,
            send__state__in=MassSend.HANDED_OVER,
        )
        # One after another: whoever dies here has lost nobody.
        for batch_id in list(due.order_by("pk").values_list("pk", flat=True)):
            with transaction.atomic():
                queued += _remind(batch_id, by=None, now=now)
    return queued


@transaction.atomic
def remind_agents(*, send_id: int, by: User, now: datetime) -> int:
    """Remind everybody who has not sent and may be reminded now; returns how many batches.

    Raises NotAllowed when nobody may be reminded now; it says from when on somebody may.
    """
    # The send is not locked: dispatchers lock a batch first and then its send.
    send = MassSend.unsafe_all.get(pk=send_id)
    if not policies.can_remind(by, send):
        raise NotAllowed(_("这次群发现在无需提醒"))
    late = list(laggards(send, by).order_by("pk").values_list("pk", flat=True))
    full = _used_up(late, now)
    queued = sum(_remind(pk, by=by, now=now) for pk in late if pk not in full)
    if not queued:
        raise NotAllowed(_refusal(late, full, now))
    audit(by, "send.remind", send, now=now, batches=queued)
    return queued


def _used_up(batches: list[int], now: datetime) -> dict[int, datetime]:
    """Batches without a reminder left, and when each has one again."""
    quota = PlatformQuota.in_force(now).get(REMIND)
    if not quota:
        return {}
    by_subject = {subject_of(pk): pk for pk in batches}
    return {
        by_subject[subject]: next_free(quota, [subject], now=now)
        for subject in exhausted(quota, list(by_subject), now=now)
    }


def _refusal(batches: list[int], full: dict[int, datetime], now: datetime) -> str:
    """Why nobody can be reminded now, and from when on the first of them can."""
    if not batches:
        return _("没有可提醒的员工：都已发送")
    recent = MassBatch.unsafe_all.filter(pk__in=set(batches) - full.keys())
    free_at = [at + APART for at in recent.values_list("reminded_at", flat=True) if at]
    earliest = min([*free_at, *full.values()], default=now)
    return _("未发送的员工刚提醒过或今天已提醒满次数；%(at)s 起可再次提醒") % {
        "at": f"{earliest.astimezone(corp_zone()):%m-%d %H:%M}"
    }


def _remind(batch_id: int, *, by: User | None, now: datetime) -> bool:
    batches = MassBatch.unsafe_all.all()
    if faults.guarded("send.remind"):
        batches = batches.select_for_update()
    batch = batches.get(pk=batch_id)
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
