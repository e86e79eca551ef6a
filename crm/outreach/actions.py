"""Planning mass sends: draft, edit, submit, approve, reject, stop; and who opts out."""

import secrets
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from crm.agents.actions import audit
from crm.agents.models import User
from crm.audiences.models import Audience
from crm.content.actions import drop_use, use
from crm.content.linting import refuse_sensitive
from crm.customers.models import Customer
from crm.gate.scene import scene_at
from crm.groups.models import Group
from crm.outbox import actions as outbox
from crm.outbox.actions import NewItem
from crm.outreach import policies
from crm.outreach.carrying import readers, with_material
from crm.outreach.content import (
    SendContent,
    SendRejected,
    content_hash,
    digest_of,
    refuse_unfit,
    words_of,
)
from crm.outreach.models import MassBatch, MassSend, OptOut
from crm.outreach.planning import plan, read_lately
from crm.shared.errors import DomainError
from crm.shared.text import clean_text

State = MassSend.State
KIND = {MassSend.Target.CUSTOMERS: "mass_send", MassSend.Target.GROUPS: "group_post"}
STOP = "mass_send.stop"
USED_BY = "send"  # What uses of a material call a mass send.
# What could not go out for half a day is not sent in the middle of the night instead.
LATEST = timedelta(hours=12)
_COPIED = (
    *("title", "send_at", "target", "audience_id", "text", "link_title", "link_url"),
    *("link_description", "link_picture", "may_choose", "control_percent", "content_kind"),
    *("material_id", "picture", "program_title", "app_id", "app_page"),
)


class StaleSend(DomainError):
    """Somebody else changed the send in the meantime; views answer 409."""

    code = "stale"


class NotAllowed(DomainError):
    """The send's state or the actor's part in it forbids the step."""

    code = "not_allowed"


@transaction.atomic
def draft_send(*, content: SendContent, by: User, now: datetime) -> MassSend:
    """Keep a new draft; raises SendRejected naming the field."""
    send = MassSend(created_by=by)
    _fill(send, content, by=by, now=now)
    audit(by, "send.draft", send, now=now)
    return send


@transaction.atomic
def edit_send(
    *, send_id: int, version: int, content: SendContent, by: User, now: datetime
) -> MassSend:
    """Change what has not begun; an approval is void afterwards."""
    _take_back(send_id, now=now, reason=_("内容已修改，原审批作废"))
    send = _locked(send_id, version)
    if not policies.can_edit_send(by, send):
        raise NotAllowed(_("这次群发已经开始，不能再修改"))
    was = send.state
    send.recipients.all().delete()
    send.batches.all().delete()
    send.state, send.planned = State.DRAFT, 0
    send.approved_by = send.approved_at = None
    send.approved_hash, send.version = "", send.version + 1
    _fill(send, content, by=by, now=now)
    audit(by, "send.edit", send, now=now, approval_voided=was == State.APPROVED)
    return send


@transaction.atomic
def submit_send(*, send_id: int, version: int, by: User, now: datetime) -> MassSend:
    """Fix who gets it from whom, and ask another person to approve."""
    send = _locked(send_id, version)
    if send.state != State.DRAFT or not policies.can_edit_send(by, send):
        raise NotAllowed(_("只有草稿可以提交审批"))
    _refuse_past(send, now)
    refuse_sensitive(words_of(send), SendRejected)
    _use_material(send, by=by, now=now)
    send.planned = plan(send, now=now)
    if not send.batches.exists():
        raise SendRejected(_("没有可发送的人：人群里没有好友，或都不能接收"), field="audience")
    _refuse_outside(send, now)
    send.state, send.submitted_by, send.submitted_at = State.WAITING, by, now
    send.rejection, send.version = "", send.version + 1
    send.save()
    audit(by, "send.submit", send, now=now, planned=send.planned, content_hash=send.content_hash)
    return send


@transaction.atomic
def approve_send(*, send_id: int, seen_hash: str, by: User, now: datetime) -> MassSend:
    """Approve exactly the content that was seen, and queue a call for every batch."""
    send = _locked(send_id)
    _refuse_approver(send, by)
    if seen_hash != send.content_hash or content_hash(send) != send.content_hash:
        raise StaleSend(_("内容在您查看之后有改动，请看过新的内容再审批"))
    _refuse_past(send, now)
    refuse_sensitive(words_of(send), SendRejected)
    _use_material(send, by=send.submitted_by or by, now=now)
    send.state, send.approved_by, send.approved_at = State.APPROVED, by, now
    send.approved_hash, send.version = send.content_hash, send.version + 1
    send.save()
    _enqueue(send)
    audit(by, "send.approve", send, now=now, content_hash=send.content_hash)
    return send


@transaction.atomic
def reject_send(*, send_id: int, reason: str, by: User, now: datetime) -> MassSend:
    """Send it back to the author with a reason."""
    send = _locked(send_id)
    _refuse_approver(send, by)
    if not (reason := clean_text(reason, limit=255)):
        raise NotAllowed(_("请写明退回的原因"), field="reason")
    send.state, send.rejection, send.version = State.DRAFT, reason, send.version + 1
    send.save()
    audit(by, "send.reject", send, now=now, reason=reason)
    return send


@transaction.atomic
def move_send(
    *, send_id: int, version: int, send_at: datetime, by: User, now: datetime
) -> MassSend:
    """Give it another time. An approval is of content and audience, so it stays."""
    # Items are locked before their send, as dispatchers do.
    for batch in MassBatch.unsafe_all.filter(send_id=send_id, state=MassBatch.State.QUEUED):
        outbox.move(batch_key(batch), due_at=send_at, give_up_at=send_at + LATEST)
    send = _locked(send_id, version)
    if not policies.can_edit_send(by, send):
        raise NotAllowed(_("这次群发已经开始，不能改期"))
    if send_at <= now:
        raise SendRejected(_("发送时间已过，请选择将来的时间"), field="send_at")
    before, send.send_at = send.send_at, send_at
    _use_material(send, by=by, now=now)
    if n := read_lately(send):
        words = _("其中 %(n)s 人在新的时间前后会收到同一素材，请另选时间，或修改后重新计划")
        raise SendRejected(words % {"n": n}, field="send_at")
    send.version += 1
    send.save()
    audit(by, "send.move", send, now=now, before=before.isoformat(), after=send_at.isoformat())
    return send


def stop_send(*, send_id: int, by: User, now: datetime) -> MassSend:
    """Keep back what has not gone out, and ask WeCom to stop agents who have not sent.

    What customers have received stays. A call that is under way is stopped once it is over.
    """
    with transaction.atomic():
        send = _locked(send_id)
        if not policies.can_stop_send(by, send):
            raise NotAllowed(_("这次群发已经停止"))
        was_begun = send.state in MassSend.HANDED_OVER
        send.state, send.finished_at, send.version = State.STOPPED, now, send.version + 1
        send.save()
        if not was_begun:
            drop_use(subject_type=USED_BY, subject_id=send.pk)
        audit(by, "send.stop", send, now=now)
    # Items are locked before their send, as dispatchers do, so nobody waits for each other.
    for batch in send.batches.select_related("agent"):
        with transaction.atomic():
            _stop_batch(batch, by=by, now=now)
    return send


def _stop_batch(batch: MassBatch, *, by: User | None, now: datetime) -> None:
    try:
        if outbox.withdraw(batch_key(batch), now=now, reason=_("群发已停止")):
            return
    except outbox.AlreadyOnItsWay:
        return  # Whoever carries it out sees that the send is stopped.
    batch.refresh_from_db()
    if batch.state == MassBatch.State.DONE and not batch.confirmed_at:
        enqueue_stop(batch, by=by, now=now)


def enqueue_stop(batch: MassBatch, *, by: User | None, now: datetime) -> None:
    """Ask WeCom to stop the agent of a batch."""
    outbox.enqueue(
        NewItem(
            kind=STOP,
            key=f"{STOP}:{batch.pk}",
            subject=batch,
            title=_title(batch.send, batch),
            due_at=now,
        ),
        by=by,
    )


@transaction.atomic
def opt_out(*, customer: Customer, note: str, by: User | None, now: datetime) -> OptOut:
    """No more marketing for this customer; what is planned already is left out at its call.

    Whoever says it again is kept with the first date and the latest words.
    """
    note = clean_text(note, limit=255)
    row, created = OptOut.unsafe_all.get_or_create(
        customer=customer, defaults={"since": now, "note": note, "recorded_by": by}
    )
    if not created and note:
        row.note, row.recorded_by = note, by
        row.save(update_fields=["note", "recorded_by"])
    audit(by, "customer.opt_out", customer, now=now, reason=note)
    return row


@transaction.atomic
def opt_in(*, customer: Customer, reason: str, by: User, now: datetime) -> None:
    """The customer wants to hear from us again. Raises NotAllowed without a reason."""
    if not (reason := clean_text(reason, limit=255)):
        raise NotAllowed(_("请写明客户怎样表示愿意再接收"), field="reason")
    if OptOut.unsafe_all.filter(customer=customer).delete()[0]:
        audit(by, "customer.opt_in", customer, now=now, reason=reason)


def batch_key(batch: MassBatch) -> str:
    """The outbox key of a batch's call."""
    return f"mass:{batch.pk}"


def _fill(send: MassSend, content: SendContent, *, by: User, now: datetime) -> None:
    content = with_material(content, send)
    refuse_unfit(content)
    for name in _COPIED:
        setattr(send, name, getattr(content, name))
    send.text = clean_text(content.text)
    send.title = clean_text(content.title)
    send.updated_by = by
    send.control_salt = send.control_salt or secrets.token_hex(8)  # Of this send alone.
    groups = _recipients(send, content, by)
    send.content_hash = send.content_hash or "-"
    send.save()
    send.groups.set(groups)
    send.content_hash = content_hash(send)
    send.save(update_fields=["content_hash"])
    if send.material is None:
        drop_use(subject_type=USED_BY, subject_id=send.pk)
    else:
        _use_material(send, by=by, now=now)


def _use_material(send: MassSend, *, by: User, now: datetime) -> None:
    """Note when its material goes out; raises MaterialRefused where that may not be used by then.

    Locks the material, so of two plans with it the later one knows the earlier one's people.
    """
    if send.material is not None:
        said = {"subject_type": USED_BY, "subject_id": send.pk, "at": send.send_at}
        use(material=send.material, by=by, now=now, readers=readers(send), **said)


def _recipients(send: MassSend, content: SendContent, by: User) -> list[Group]:
    """The groups of a post; for an audience, that the actor may see it. Raises SendRejected."""
    if send.is_to_groups:
        send.audience = None
        groups = list(Group.objects.for_user(by).filter(pk__in=content.group_ids))
        if not groups or len(groups) != len(set(content.group_ids)):
            raise SendRejected(_("请选择要发的客户群"), field="groups")
        return groups
    audience = Audience.objects.for_user(by).filter(pk=content.audience_id).first()
    if audience is None:
        raise SendRejected(_("请选择一个人群"), field="audience")
    if not audience.customer_count:
        raise SendRejected(_("这个人群是空的，换一个人群"), field="audience")
    return []


def _enqueue(send: MassSend) -> None:
    batches = send.batches.select_related("agent")
    digest = digest_of(send)
    outbox.enqueue_many(
        [
            NewItem(
                kind=KIND[send.target],
                key=batch_key(batch),
                subject=batch,
                title=_title(send, batch),
                due_at=send.send_at,
                give_up_at=send.send_at + LATEST,
                payload={"content_hash": send.content_hash},
                digest=digest,
            )
            for batch in batches
        ],
        by=send.submitted_by,
    )
    batches.update(state=MassBatch.State.QUEUED)


def _title(send: MassSend, batch: MassBatch) -> str:
    return f"{send.title} · {batch.agent.name}"


def _take_back(send_id: int, *, now: datetime, reason: str) -> None:
    """Withdraw what is queued; raises AlreadyOnItsWay where a call has begun."""
    for batch in MassBatch.unsafe_all.filter(send_id=send_id, state=MassBatch.State.QUEUED):
        outbox.withdraw(batch_key(batch), now=now, reason=reason)


def _locked(send_id: int, version: int | None = None) -> MassSend:
    send = MassSend.unsafe_all.select_for_update().get(pk=send_id)
    if version is not None and send.version != version:
        raise StaleSend(_("别人刚刚改过这次群发，请刷新后再试"))
    return send


def _refuse_past(send: MassSend, now: datetime) -> None:
    if send.send_at + LATEST <= now:
        raise SendRejected(_("发送时间已过，请选择将来的时间"), field="send_at")


def _refuse_outside(send: MassSend, now: datetime) -> None:
    """Raise SendRejected where too many of those reached showed no need lately."""
    scene, reached = scene_at(now), send.recipients.filter(state="waiting")
    if scene.most_percent is None or send.is_to_groups:
        return
    total, outside = reached.count(), reached.filter(in_scene=False).count()
    if outside * 100 > scene.most_percent * total:
        words = _(
            "会收到的 %(total)s 人里有 %(n)s 人近 %(days)s 天没有需求信号，"
            "超过了 %(most)s%% 的上限：请缩小人群，或用触达规则跳过没有信号的人"
        )
        shown = {"total": total, "n": outside, "days": scene.days, "most": scene.most_percent}
        raise SendRejected(words % shown, field="audience")


def _refuse_approver(send: MassSend, by: User) -> None:
    if send.state != State.WAITING:
        raise NotAllowed(_("这次群发不在等待审批"))
    if policies.is_author(by, send):
        raise NotAllowed(_("自己不能审批自己的内容，请另一位同事审批"))
    if not policies.can_approve_send(by, send):
        raise NotAllowed(_("其中有不归您管的员工，请由上级审批"))
