"""Planning moments: draft, edit, submit, approve, reject, move, cancel, duplicate."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from crm.agents.actions import audit
from crm.agents.models import User
from crm.content.actions import drop_use
from crm.content.linting import refuse_sensitive
from crm.moments import policies
from crm.moments.audience import Choice, Plan, plan
from crm.moments.content import (
    MomentContent,
    MomentRejected,
    content_hash,
    digest_of,
    refuse_incomplete,
    words_of,
)
from crm.moments.control import (
    draw_control,
    move_control,
    refuse_unfit_control,
    release_control,
)
from crm.moments.drafting import USED_BY, content_of, copy_images, fill, use_material
from crm.moments.gate import first_no, words_on
from crm.moments.models import Moment, MomentTask
from crm.moments.schedule import instant_of, refuse_past, wall_of, wall_text
from crm.outbox import actions as outbox
from crm.outbox.actions import NewItem
from crm.shared.errors import DomainError
from crm.shared.text import clean_text

State = Moment.State
# A post that could not be created for half a day is not sent in the middle of the night instead.
LATEST = timedelta(hours=12)


class StaleMoment(DomainError):
    """Somebody else changed the moment in the meantime; views answer 409."""

    code = "stale"


class NotAllowed(DomainError):
    """The moment's state or the actor's part in it forbids the step."""

    code = "not_allowed"


@transaction.atomic
def draft_moment(*, content: MomentContent, by: User, now: datetime) -> Moment:
    """Keep a new draft; raises MomentRejected naming the field."""
    moment = Moment(created_by=by, updated_by=by, state=State.DRAFT)
    fill(moment, content, by=by, now=now)
    audit(by, "moment.draft", moment, now=now)
    return moment


@transaction.atomic
def edit_moment(
    *, moment_id: int, version: int, content: MomentContent, by: User, now: datetime
) -> Moment:
    """Change a moment that WeCom does not have; an approval is void afterwards."""
    moment = _locked(moment_id, version)
    if not policies.can_edit_moment(by, moment):
        raise NotAllowed(_("这条朋友圈已交给企业微信，不能再修改；可以复制一条新的"))
    was = moment.state
    _take_back(moment, now=now, reason=_("内容已修改，原审批作废"))
    release_control(moment, by=by)
    moment.state, moment.updated_by = State.DRAFT, by
    moment.version += 1
    _forget_approval(moment)
    fill(moment, content, by=by, now=now)
    audit(by, "moment.edit", moment, now=now, approval_voided=was == State.APPROVED)
    return moment


@transaction.atomic
def submit_moment(*, moment_id: int, version: int, by: User, now: datetime) -> Moment:
    """Ask another person to approve; fixes which agents it is for, within the actor's scope."""
    moment = _locked(moment_id, version)
    if moment.state != State.DRAFT or not policies.can_edit_moment(by, moment):
        raise NotAllowed(_("只有草稿可以提交审批"))
    refuse_past(moment.publish_at, now=now)
    refuse_incomplete(content_of(moment))
    refuse_sensitive(words_of(moment), MomentRejected)
    use_material(moment, by=by, now=now)
    refuse_unfit_control(moment)
    planned = _sendable(moment, by)
    _pass_gate(moment, planned)
    _plan_tasks(moment, planned)
    moment.state, moment.submitted_by, moment.submitted_at = State.WAITING, by, now
    moment.rejection = ""
    moment.version += 1
    moment.save()
    audit(by, "moment.submit", moment, now=now, content_hash=moment.content_hash, gate=moment.gate)
    return moment


@transaction.atomic
def approve_moment(*, moment_id: int, seen_hash: str, by: User, now: datetime) -> Moment:
    """Approve exactly the content that was seen, and queue it for its time."""
    moment = _locked(moment_id)
    _refuse_approver(moment, by)
    if seen_hash != moment.content_hash or content_hash(moment) != moment.content_hash:
        raise StaleMoment(_("内容在您查看之后有改动，请看过新的内容再审批"))
    refuse_past(moment.publish_at, now=now)
    refuse_sensitive(words_of(moment), MomentRejected)
    use_material(moment, by=moment.submitted_by or by, now=now)
    moment.state, moment.approved_by, moment.approved_at = State.APPROVED, by, now
    moment.approved_hash = moment.content_hash
    moment.run += 1
    moment.version += 1
    moment.failure = moment.failure_code = ""
    draw_control(moment, by=by, now=now)
    moment.save()
    outbox.enqueue(
        NewItem(
            kind="moment.create",
            key=create_key(moment),
            subject=moment,
            title=moment.title,
            due_at=moment.publish_at,
            give_up_at=moment.publish_at + LATEST,
            payload={"content_hash": moment.content_hash},
            digest=digest_of(moment),
        ),
        by=moment.submitted_by,
    )
    audit(by, "moment.approve", moment, now=now, content_hash=moment.content_hash)
    return moment


@transaction.atomic
def reject_moment(*, moment_id: int, reason: str, by: User, now: datetime) -> Moment:
    """Send it back to the author with a reason."""
    moment = _locked(moment_id)
    _refuse_approver(moment, by)
    if not (reason := clean_text(reason, limit=255)):
        raise NotAllowed(_("请写明退回原因"), field="reason")
    moment.state, moment.rejection = State.DRAFT, reason
    moment.version += 1
    moment.save()
    audit(by, "moment.reject", moment, now=now, reason=reason)
    return moment


@transaction.atomic
def reschedule_moment(
    *, moment_id: int, version: int, publish_wall: datetime, by: User, now: datetime
) -> Moment:
    """Give it another time. An approval is of content and audience, so it stays."""
    moment = _locked(moment_id, version)
    if moment.state not in (State.DRAFT, State.WAITING, State.APPROVED) or not (
        policies.can_edit_moment(by, moment)
    ):
        raise NotAllowed(_("这条朋友圈已交给企业微信，不能改期"))
    instant = instant_of(publish_wall, moment.zone)
    refuse_past(instant, now=now)
    before = moment.publish_at
    moment.publish_at, moment.publish_wall = instant, wall_text(publish_wall)
    use_material(moment, by=by, now=now)
    if moment.state == State.APPROVED:
        outbox.move(create_key(moment), due_at=instant, give_up_at=instant + LATEST)
    move_control(moment)
    moment.version += 1
    moment.save()
    audit(
        by,
        "moment.reschedule",
        moment,
        now=now,
        before=before.isoformat(),
        after=instant.isoformat(),
    )
    return moment


@transaction.atomic
def cancel_moment(*, moment_id: int, by: User, now: datetime, reason: str = "") -> Moment:
    """Before the call nothing is sent; afterwards WeCom is asked to stop the remaining agents."""
    moment = _locked(moment_id)
    if not policies.can_cancel_moment(by, moment):
        raise NotAllowed(_("现在不能取消：正在创建的请稍候几秒，已结束的无需取消"))
    audit(by, "moment.cancel", moment, now=now, reason=reason, state=moment.state)
    if moment.state in Moment.FOLLOWED:
        outbox.enqueue(
            NewItem(
                kind="moment.cancel",
                key=f"moment.cancel:{moment.pk}:{moment.version}",
                subject=moment,
                title=moment.title,
                due_at=now,
                payload={"moment_id": moment.wecom_moment_id},
            ),
            by=by,
        )
    else:
        _take_back(moment, now=now, reason=_("已取消"))
        release_control(moment, by=by)
        moment.state, moment.finished_at = State.CANCELLED, now
        drop_use(subject_type=USED_BY, subject_id=moment.pk)
    moment.version += 1
    moment.save()
    return moment


@transaction.atomic
def duplicate_moment(*, moment_id: int, publish_wall: datetime, by: User, now: datetime) -> Moment:
    """A new draft with the same content for another time."""
    source = Moment.unsafe_all.get(pk=moment_id)
    moment = Moment(created_by=by, updated_by=by, state=State.DRAFT)
    content = content_of(source, publish_wall=publish_wall, with_images=False)
    fill(moment, content, by=by, now=now, complete=False)
    copy_images(source, moment, by=by)
    moment.content_hash = content_hash(moment)
    moment.save(update_fields=["content_hash"])
    audit(by, "moment.duplicate", moment, now=now, source=source.pk)
    return moment


def create_key(moment: Moment) -> str:
    """The idempotency key of the call that the last approval allows."""
    return f"moment.create:{moment.pk}:{moment.run}"


def recompute_schedules() -> int:
    """Derive instants of planned moments from their wall times again; returns how many moved."""
    moved = 0
    for moment_id in Moment.unsafe_all.planned().values_list("pk", flat=True):
        with transaction.atomic():
            moment = Moment.unsafe_all.select_for_update().get(pk=moment_id)
            instant = instant_of(wall_of(moment.publish_wall), moment.zone)
            if instant == moment.publish_at or moment.state not in policies.EDITABLE:
                continue
            moment.publish_at = instant
            moment.save(update_fields=["publish_at", "updated_at"])
            if moment.state == State.APPROVED:
                outbox.move(create_key(moment), due_at=instant, give_up_at=instant + LATEST)
            moved += 1
    return moved


def write_plan(moment: Moment, planned: Plan) -> None:
    """Make the task rows equal to the plan; agents who fell out lose theirs."""
    moment.planned_customers = planned.customers
    Moment.unsafe_all.filter(pk=moment.pk).update(planned_customers=planned.customers)
    counts = {share.agent.pk: share.customers for share in planned.shares}
    MomentTask.unsafe_all.filter(moment=moment).exclude(agent_id__in=counts).delete()
    MomentTask.unsafe_all.bulk_create(
        [
            MomentTask(moment=moment, agent_id=pk, planned_customers=n)
            for pk, n in sorted(counts.items())
        ],
        update_conflicts=True,
        unique_fields=["moment", "agent"],
        update_fields=["planned_customers"],
    )


def _plan_tasks(moment: Moment, planned: Plan) -> None:
    MomentTask.unsafe_all.filter(moment=moment).delete()
    write_plan(moment, planned)


def _sendable(moment: Moment, by: User) -> Plan:
    planned = plan(Choice.of(moment), within=by)
    if not planned.shares:
        if planned.absent:
            raise MomentRejected(
                _("所选员工都已离职或停用：%(names)s，请另选")
                % {"names": "、".join(agent.name for agent in planned.absent[:5])},
                field="senders",
            )
        raise MomentRejected(_("没有客户会看到：所选员工没有符合标签的好友"), field="senders")
    return planned


def _pass_gate(moment: Moment, planned: Plan) -> None:
    """Keep what the rules say; raises MomentRejected where one says no."""
    agents = [share.agent.pk for share in planned.shares]
    words = words_on(Choice.of(moment), agents, at=moment.publish_at, moment_id=moment.pk)
    if no := first_no(words):
        raise MomentRejected(
            _("%(told)s，超过 %(most)s%%：请换标签或员工，或改到他们有需求的时候")
            % {"told": no.told, "most": no.most_percent},
            field="tags",
        )
    moment.gate = [word.as_json() for word in words]


def _locked(moment_id: int, version: int | None = None) -> Moment:
    moment = Moment.unsafe_all.select_for_update().get(pk=moment_id)
    if version is not None and version != moment.version:
        raise StaleMoment(_("别人刚刚修改过这条朋友圈，请刷新后再改"))
    return moment


def _refuse_approver(moment: Moment, by: User) -> None:
    if moment.state != State.WAITING:
        raise NotAllowed(_("这条朋友圈不在待审批状态"))
    if policies.is_author(by, moment):
        raise NotAllowed(_("不能审批自己建立、修改或提交的朋友圈，请另一位同事审批"))
    if not policies.can_approve_moment(by, moment):
        raise NotAllowed(_("其中有您管辖之外的员工，请由管辖他们的人审批"))


def _take_back(moment: Moment, *, now: datetime, reason: str) -> None:
    if moment.state == State.APPROVED:
        outbox.withdraw(create_key(moment), now=now, reason=reason)


def _forget_approval(moment: Moment) -> None:
    moment.approved_by = moment.approved_at = None
    moment.approved_hash, moment.gate = "", []
    moment.submitted_by = moment.submitted_at = None
    moment.failure = moment.failure_code = ""
