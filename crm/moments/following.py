"""Asking WeCom what became of a moment: there is no callback for any of it.

The job that creates it, then who published, then who can see it, then who liked or commented. Each
answer is stored as it comes, so a failure half-way loses nothing and the next round goes on.
"""

from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from crm import wecom
from crm.moments.actions import create_key
from crm.moments.collecting import collect
from crm.moments.models import Moment, MomentTask
from crm.outbox import actions as outbox
from crm.shared import faults
from crm.shared.leases import Turn, renewed
from crm.wecom import Client, Misconfigured, NotReachable, OutcomeUnknown, Refused, RetryLater
from crm.wecom.meanings import meaning_of
from crm.wecom.moment_records import MomentJob

State = Moment.State
log = structlog.get_logger(__name__)

JOB_WAIT = timedelta(seconds=3)
TROUBLE_WAIT = timedelta(seconds=30)
OVER = timedelta(days=7)
# How often we ask, by the age of the post: (younger than, every).
PACE = (
    (timedelta(minutes=30), timedelta(seconds=10)),
    (timedelta(hours=6), timedelta(minutes=2)),
    (timedelta(days=2), timedelta(minutes=15)),
    (OVER, timedelta(hours=2)),
)
# Agents asked about in one round; the rest follow in the next, so that a round stays short.
AGENTS_A_ROUND = 60


def due_moments(now: datetime) -> list[int]:
    """Moments whose next question is due, longest waiting first."""
    due = Moment.unsafe_all.filter(follow_at__lte=now).order_by("follow_at")
    return list(due.values_list("pk", flat=True)[:20])


def follow(moment_id: int, *, now: datetime) -> bool:
    """One round for one moment; False when another worker has it or nothing is due."""
    turn = Turn(Moment.unsafe_all.filter(pk=moment_id), now=now)
    if not turn.take():
        return False
    moment = Moment.unsafe_all.get(pk=moment_id)
    try:
        with renewed(turn.renew, name=f"follow-moment-{moment_id}"):
            error, wait = "", _ask(moment, wecom.client(), now)
    except (RetryLater, NotReachable, OutcomeUnknown, Misconfigured, Refused) as trouble:
        error, wait = str(trouble)[:255], TROUBLE_WAIT
    faults.point("moments.asked")
    Moment.unsafe_all.filter(pk=moment_id).update(
        follow_at=None if wait is None else now + wait, followed_at=now, follow_error=error
    )
    return True


def _ask(moment: Moment, client: Client, now: datetime) -> timedelta | None:
    """The next question; returns how long until the one after, None when it is over."""
    if moment.state == State.CREATING and moment.wecom_job_id:
        return _ask_job(moment, client, now)
    if moment.wecom_moment_id and moment.state in (*Moment.FOLLOWED, State.CANCELLED):
        _ask_tasks(moment, client, now)
        more = collect(moment, client, now=now, limit=AGENTS_A_ROUND)
        if moment.state == State.CANCELLED:
            return None
        return timedelta(seconds=1) if more else _conclude(moment, now)
    return None


def _ask_job(moment: Moment, client: Client, now: datetime) -> timedelta | None:
    try:
        job = client.moment_job(moment.wecom_job_id)
    except Refused as refused:
        # The job is lost; whether the post exists is for the outbox to find out.
        outbox.reopen(create_key(moment), now=now, reason=str(refused))
        return None
    if not job.is_finished:
        return JOB_WAIT
    if job.code:
        _failed(moment, job, now)
        return None
    _created(moment, job, now)
    return JOB_WAIT


@transaction.atomic
def _created(moment: Moment, job: MomentJob, now: datetime) -> None:
    invalid = set(job.invalid_userids)
    MomentTask.unsafe_all.filter(moment=moment, agent__userid__in=invalid).update(is_invalid=True)
    Moment.unsafe_all.filter(pk=moment.pk, state=State.CREATING).update(
        state=State.CREATED, wecom_moment_id=job.moment_id, remote_since=now
    )


def _failed(moment: Moment, job: MomentJob, now: datetime) -> None:
    Moment.unsafe_all.filter(pk=moment.pk, state=State.CREATING).update(
        state=State.FAILED,
        failure_code=str(job.code),
        failure=_("企业微信未能创建：%(reason)s") % {"reason": _meaning(job)},
        finished_at=now,
    )


def _meaning(job: MomentJob) -> str:
    words = meaning_of(job.code) or job.message.split(", hint:", 1)[0]
    return _("%(words)s（错误 %(code)s）") % {"words": words[:300], "code": job.code}


def _ask_tasks(moment: Moment, client: Client, now: datetime) -> None:
    """Who published. WeCom tells no time, so it is the time at which we first saw it."""
    seen = client.moment_tasks(moment.wecom_moment_id)
    published = {task.userid for task in seen if task.is_published}
    tasks = MomentTask.unsafe_all.filter(moment=moment)
    with transaction.atomic():
        tasks.filter(agent__userid__in=published, is_published=False).update(
            is_published=True, published_at=now, is_invalid=False
        )
        if seen:
            missing = tasks.exclude(agent__userid__in=[task.userid for task in seen])
            missing.update(is_invalid=True)
        if published:
            Moment.unsafe_all.filter(pk=moment.pk, state=State.CREATED).update(
                state=State.PUBLISHING
            )
    moment.refresh_from_db()


def _conclude(moment: Moment, now: datetime) -> timedelta | None:
    age = now - (moment.remote_since or now)
    if age >= OVER:
        Moment.unsafe_all.filter(pk=moment.pk, state__in=Moment.FOLLOWED).update(
            state=State.DONE, finished_at=now, version=F("version") + 1
        )
        return None
    return next(every for younger, every in PACE if age < younger)
