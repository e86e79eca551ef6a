"""How the outbox carries out what concerns moments: create, remind an agent, cancel."""

from datetime import datetime, timedelta

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm import wecom
from crm.moments.actions import write_plan
from crm.moments.audience import CUSTOMER_DAY, Choice, Plan, customer_ids, plan
from crm.moments.content import content_hash
from crm.moments.control import still_tagged
from crm.moments.gate import first_no, last_words_on
from crm.moments.models import Moment, MomentTask
from crm.moments.records import find
from crm.outbox.arbiter import quiet_until
from crm.outbox.models import OutboxItem
from crm.outbox.registry import (
    Absent,
    Demand,
    Done,
    Finding,
    Found,
    Handler,
    NotYet,
    Refusal,
    Repeatable,
    Unknowable,
    register,
    register_scope,
)
from crm.shared import faults
from crm.wecom import Refused, RetryLater
from crm.wecom.moment_records import Link

State = Moment.State
CORP = "corp"
TOO_MANY_RUNNING = 41078
MEDIA_GONE = (40007, 41072)
MAX_ATTEMPTS = 10
TAGS_COME_OFF = 30  # Seconds until the next look; wishes for tags take about as long.
MEDIA_LIVES = timedelta(days=3)
MEDIA_MARGIN = timedelta(hours=1)
# The application message asks WeCom to drop the same words within half an hour.
DOUBLES_DROPPED_FOR = timedelta(minutes=25)


def _moment(item: OutboxItem) -> Moment:
    return Moment.unsafe_all.get(pk=item.subject_id)


# Create


def prepare_creation(item: OutboxItem, now: datetime) -> None:
    """Wait until the control is out of the tag; upload pictures whose id is about to expire."""
    if waiting := still_tagged(_moment(item)):
        words = _("对照组还有 %(n)s 个好友关系没有取下标签，取下后再创建")
        raise RetryLater(words % {"n": waiting}, code=0, retry_after=TAGS_COME_OFF)
    for image in _moment(item).images.all():
        if image.media_id and image.media_at and image.media_at > now - MEDIA_LIVES + MEDIA_MARGIN:
            continue
        with image.file.open("rb") as file:
            name = f"{image.pk.hex}.{image.extension}"
            media = wecom.client().upload_attachment(file.read(), name=name, kind="image")
        image.media_id, image.media_at = media.media_id, now
        image.save(update_fields=["media_id", "media_at"])
        faults.point("moments.after_upload")


def check_creation(item: OutboxItem, now: datetime) -> Refusal | None:
    """Still approved, still the approved content, still somebody to publish it."""
    moment = Moment.unsafe_all.select_for_update().get(pk=item.subject_id)
    if moment.state not in (State.APPROVED, State.UNCERTAIN, State.CREATING):
        return Refusal("not_approved", _("发送时已不是已审批状态"))
    approved = item.payload["content_hash"]
    if not (content_hash(moment) == moment.approved_hash == approved):
        return Refusal("changed", _("内容与审批时不一致，未发送；请重新提交审批"))
    planned = current_plan(moment)
    if not planned.shares:
        return Refusal("empty", _("没有可发表的员工：已离职、停用或没有符合标签的好友"))
    if quiet_until(item.kind, now=now):
        return None  # The arbiter puts it off; the rules are asked when it may go out.
    words = last_words_on(moment, [share.agent.pk for share in planned.shares], now=now)
    Moment.unsafe_all.filter(pk=moment.pk).update(gate=[word.as_json() for word in words])
    if no := first_no(words):
        told = {"told": no.told, "most": no.most_percent}
        return Refusal("gate", _("%(told)s，超过 %(most)s%%：没有发出") % told)
    write_plan(moment, planned)
    return None


def current_plan(moment: Moment) -> Plan:
    """Who would get it now, among the agents that the approver saw."""
    approved = set(MomentTask.unsafe_all.filter(moment=moment).values_list("agent_id", flat=True))
    return plan(Choice.of(moment), only=approved)


def creation_demands(item: OutboxItem) -> list[Demand]:
    """One of the platform's creations a minute, and a place in each customer's day."""
    agents = list(
        MomentTask.unsafe_all.filter(moment_id=item.subject_id).values_list("agent_id", flat=True)
    )
    customers = customer_ids(Choice.of(_moment(item)), agents)
    return [
        Demand("moment.create", (CORP,)),
        Demand(CUSTOMER_DAY, tuple(map(str, customers)), every=False),
    ]


def create(item: OutboxItem) -> Done:
    """The call itself; agents always by name, never an open range."""
    moment = _moment(item)
    images = list(moment.images.all())
    cover = next((image for image in images if image.is_cover), None)
    link = Link(moment.link_title, moment.link_url, cover.media_id) if cover else None
    userids = MomentTask.unsafe_all.filter(moment=moment).values_list("agent__userid", flat=True)
    try:
        job_id = wecom.client().create_moment(
            text=moment.text,
            image_ids=[image.media_id for image in images if not image.is_cover],
            link=link,
            userids=sorted(userids),
            tag_ids=sorted(moment.tags.values_list("wecom_id", flat=True)),
        )
    except Refused as refused:
        raise _passing(item, moment, refused) from refused
    return Done(remote_id=job_id, result={"job_id": job_id})


def _passing(item: OutboxItem, moment: Moment, refused: Refused) -> Refused | RetryLater:
    """Two refusals pass by themselves: other tasks still running, pictures that have expired."""
    if item.attempts >= MAX_ATTEMPTS:
        return refused
    if refused.code in MEDIA_GONE:
        moment.images.update(media_id="", media_at=None)  # Uploaded again before the next call.
        return RetryLater(str(refused), code=refused.code, retry_after=1)
    if refused.code == TOO_MANY_RUNNING:
        return RetryLater(str(refused), code=refused.code, retry_after=60)
    return refused


def reconcile_creation(item: OutboxItem, now: datetime) -> Finding:
    """Look the post up by content; two that could be ours are for a person."""
    match = find(item, wecom.client(), now=now)
    evidence = match.evidence()
    if len(match.candidates) == 1 and not match.rivals:
        moment_id = match.candidates[0].moment_id
        return Found(moment_id, {"moment_id": moment_id}, evidence)
    if match.candidates:
        return NotYet(evidence)
    return Absent(match.later_seen, evidence)


def creation_changed(item: OutboxItem, now: datetime) -> None:
    """The moment follows its item."""
    moment = Moment.unsafe_all.select_for_update().get(pk=item.subject_id)
    state = OutboxItem.State
    if item.state == state.CALLING:
        moment.state = State.CREATING
    elif item.state == state.WAITING and moment.state in (State.CREATING, State.UNCERTAIN):
        moment.state = State.APPROVED
    elif item.state in (state.UNCERTAIN, state.PARKED):
        moment.state = State.UNCERTAIN
    elif item.state == state.DONE:
        _created(moment, item, now)
    elif item.state in (state.FAILED, state.SKIPPED) and item.reason_code != "withdrawn":
        moment.state, moment.finished_at = State.FAILED, now
        moment.failure_code, moment.failure = item.reason_code, item.reason
    moment.save()


def _created(moment: Moment, item: OutboxItem, now: datetime) -> None:
    moment.follow_at = now
    moment.failure = moment.failure_code = ""
    if job_id := item.result.get("job_id"):
        moment.state, moment.wecom_job_id = State.CREATING, job_id
    else:  # Found in the records, or adopted by a person: the post itself is known.
        moment.state, moment.wecom_moment_id = State.CREATED, item.remote_id
        moment.remote_since = moment.remote_since or now


# Remind


def check_reminder(item: OutboxItem, now: datetime) -> Refusal | None:
    """Nobody is reminded of what they have done, or of what is no longer wanted."""
    task = MomentTask.unsafe_all.select_related("moment", "agent").get(pk=item.payload["task"])
    if task.is_published:
        return Refusal("published", _("已发表，无需提醒"))
    if task.moment.state not in Moment.FOLLOWED:
        return Refusal("over", _("朋友圈已取消或已结束"))
    if task.agent.status != task.agent.Status.ACTIVE:
        return Refusal("absent", _("员工已离职或停用"))
    return None


def reminder_demands(item: OutboxItem) -> list[Demand]:
    """At most so many a day for one agent and one moment."""
    return [Demand("moment.remind", (f"task:{item.payload['task']}",))]


def remind(item: OutboxItem) -> Done:
    """An application message to one agent."""
    sent = wecom.client().send_app_message([item.payload["userid"]], item.payload["text"])
    return Done(remote_id=sent.msgid, result={"invalid": list(sent.invalid_userids)})


def reconcile_reminder(item: OutboxItem, now: datetime) -> Finding:
    """No list tells of messages, but WeCom drops the same words within half an hour."""
    if item.called_at and now - item.called_at < DOUBLES_DROPPED_FOR:
        return Repeatable(_("企业微信会丢弃半小时内相同的提醒，重发无妨"))
    return Unknowable(_("提醒是否送达无从查证，不重复打扰"))


def reminder_changed(item: OutboxItem, now: datetime) -> None:
    """A reminder that went out is noted on the task."""
    if item.state == OutboxItem.State.DONE:
        MomentTask.unsafe_all.filter(pk=item.payload["task"]).update(reminded_at=now)


# Cancel


def check_cancellation(item: OutboxItem, now: datetime) -> Refusal | None:
    """A post that ended in the meantime needs no cancelling."""
    if _moment(item).state in Moment.FOLLOWED:
        return None
    return Refusal("over", _("朋友圈已取消或已结束"))


def cancel(item: OutboxItem) -> Done:
    """Ask WeCom to stop the agents who have not published."""
    wecom.client().cancel_moment(item.payload["moment_id"])
    return Done()


def cancellation_changed(item: OutboxItem, now: datetime) -> None:
    """Cancelled only once WeCom has said so."""
    if item.state == OutboxItem.State.DONE:
        Moment.unsafe_all.filter(pk=item.subject_id, state__in=Moment.FOLLOWED).update(
            state=State.CANCELLED, finished_at=now, follow_at=now
        )


register_scope(
    "moment",
    lambda user: Moment.objects.for_user(user),
    page=lambda pk: reverse("crm:moments:detail", args=[pk]),
)
register(
    Handler(
        kind="moment.create",
        label=gettext_lazy("创建朋友圈"),
        prepare=prepare_creation,
        check=check_creation,
        demands=creation_demands,
        call=create,
        reconcile=reconcile_creation,
        changed=creation_changed,
    )
)
register(
    Handler(
        kind="moment.remind",
        label=gettext_lazy("提醒发表"),
        check=check_reminder,
        demands=reminder_demands,
        call=remind,
        reconcile=reconcile_reminder,
        changed=reminder_changed,
    )
)
register(
    Handler(
        kind="moment.cancel",
        label=gettext_lazy("取消朋友圈"),
        check=check_cancellation,
        call=cancel,
        reconcile=lambda item, now: Repeatable(""),
        changed=cancellation_changed,
        is_repeatable=True,
        disturbs=False,
    )
)
