"""Reminding agents who have not pressed publish: a few times a day, and never once they have."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import override

from crm.agents.actions import audit
from crm.agents.models import Agent, User
from crm.moments import policies
from crm.moments.actions import NotAllowed
from crm.moments.models import Moment, MomentTask
from crm.outbox import actions as outbox
from crm.outbox.actions import NewItem
from crm.outbox.models import PlatformQuota
from crm.outbox.slots import exhausted

QUOTA = "moment.remind"
# A reminder that could not go out within two hours is no longer the reminder that was meant.
STALE = timedelta(hours=2)
APART = timedelta(minutes=30)


def hours() -> list[float]:
    """Hours after creation at which laggards are reminded (``MOMENT_REMIND_HOURS``)."""
    return sorted(settings.MOMENT_REMIND_HOURS)


def remind_laggards(*, now: datetime) -> int:
    """Queue the automatic reminders that are due; returns how many."""
    queued = 0
    for moment in Moment.unsafe_all.filter(state__in=Moment.FOLLOWED, remote_since__isnull=False):
        due = sum(moment.remote_since + timedelta(hours=h) <= now for h in hours())
        if due:
            queued += _remind(_laggards(moment).filter(reminders__lt=due), now=now, by=None)
    return queued


@transaction.atomic
def remind_agents(
    *, moment_id: int, by: User, now: datetime, task_ids: list[int] | None = None
) -> int:
    """Remind the named laggards of the actor's scope, or all of them; returns how many.

    Raises NotAllowed when nobody is left to remind.
    """
    moment = Moment.unsafe_all.select_for_update().get(pk=moment_id)
    if not policies.can_remind(by, moment):
        raise NotAllowed(_("这条朋友圈现在无需提醒"))
    tasks = _laggards(moment).filter(agent__in=Agent.objects.for_user(by))
    if task_ids is not None:
        tasks = tasks.filter(pk__in=task_ids)
    quota = PlatformQuota.in_force(now).get(QUOTA)
    if quota:
        full = exhausted(
            quota, [f"task:{pk}" for pk in tasks.values_list("pk", flat=True)], now=now
        )
        tasks = tasks.exclude(pk__in=[int(subject.removeprefix("task:")) for subject in full])
    queued = _remind(tasks, now=now, by=by)
    if not queued:
        raise NotAllowed(_("没有可提醒的员工：都已发表，或刚提醒过，或今天已提醒满次数"))
    audit(by, "moment.remind", moment, now=now, agents=queued)
    return queued


def _laggards(moment: Moment):
    return MomentTask.unsafe_all.outstanding().filter(
        moment=moment, agent__status=Agent.Status.ACTIVE
    )


def _remind(tasks, *, now: datetime, by: User | None) -> int:
    queued = 0
    for task_id in list(tasks.order_by("pk").values_list("pk", flat=True)):
        with transaction.atomic():
            task = MomentTask.unsafe_all.select_for_update().get(pk=task_id)
            if task.is_published or (task.reminded_at and task.reminded_at > now - APART):
                continue
            task.reminders += 1
            task.reminded_at = now
            task.save(update_fields=["reminders", "reminded_at"])
            _enqueue(task, now=now, by=by)
        queued += 1
    return queued


def _enqueue(task: MomentTask, *, now: datetime, by: User | None) -> None:
    with override("zh-hans"):
        text = _("朋友圈《%(title)s》等待您发表，请在企业微信“工作台 - 客户朋友圈”中点击发表。") % {
            "title": task.moment.title
        }
    outbox.enqueue(
        NewItem(
            kind="moment.remind",
            key=f"moment.remind:{task.pk}:{task.reminders}",
            subject=task.moment,
            title=f"{task.moment.title} · {task.agent.name}",
            due_at=now,
            give_up_at=now + STALE,
            payload={"task": task.pk, "userid": task.agent.userid, "text": text},
        ),
        by=by,
    )
