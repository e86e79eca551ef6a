"""How the outbox carries out a batch: send to customers, post in groups, and stop."""

from datetime import datetime, timedelta

from django.db import connection
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm import wecom
from crm.agents.models import Agent
from crm.content.models import MaterialPicture
from crm.outbox.arbiter import quiet_until
from crm.outbox.models import OutboxItem
from crm.outbox.registry import (
    Absent,
    Done,
    Finding,
    Found,
    Handler,
    NotYet,
    Refusal,
    Repeatable,
    register,
    register_scope,
)
from crm.outreach import caps
from crm.outreach.actions import STOP, enqueue_stop
from crm.outreach.content import attachments_of, content_hash
from crm.outreach.gate import pass_gate
from crm.outreach.models import MassBatch, MassRecipient, MassSend
from crm.outreach.records import find
from crm.wecom import Refused, RetryLater
from crm.wecom.limits import limits
from crm.wecom.mass_records import MassCreated

State = MassSend.State
MEDIA_GONE = (40007, 41072)
MEDIA_LIVES = timedelta(days=3)
MEDIA_MARGIN = timedelta(hours=1)
MAX_ATTEMPTS = 10
ItemState = OutboxItem.State
_BATCH_STATES = {
    ItemState.WAITING: MassBatch.State.QUEUED,
    ItemState.CALLING: MassBatch.State.CALLING,
    ItemState.UNCERTAIN: MassBatch.State.UNCERTAIN,
    ItemState.PARKED: MassBatch.State.PARKED,
    ItemState.DONE: MassBatch.State.DONE,
    ItemState.SKIPPED: MassBatch.State.SKIPPED,
    ItemState.FAILED: MassBatch.State.FAILED,
}
# Friends may have left, people may have opted out, groups may be gone since the plan was made.
_LEAVE_OUT = """
update crm_massrecipient r
set state = 'skipped', reason = case
    when exists (select from crm_optout o where o.customer_id = r.customer_id) then 'opted_out'
    when r.group_id is null then 'not_friend'
    else 'dismissed' end
where r.batch_id = %(batch)s and r.state = 'waiting' and (
    exists (select from crm_optout o where o.customer_id = r.customer_id)
    or (r.customer_id is not null and not exists (
        select from crm_contact c
        where c.customer_id = r.customer_id and c.agent_id = r.agent_id and c.status = 'active'))
    or (r.group_id is not null and not exists (
        select from crm_group g
        where g.id = r.group_id and g.owner_id = r.agent_id and g.dismissed_at is null))
)
"""


def _batch(item: OutboxItem) -> MassBatch:
    return MassBatch.unsafe_all.select_related("send__picture", "agent").get(pk=item.subject_id)


def prepare(item: OutboxItem, now: datetime) -> None:
    """Give WeCom the picture where it has none, or one that is about to expire.

    A link shows its picture by an address that lasts; one that is too large for that goes without.
    """
    send = _batch(item).send
    if (picture := send.picture) is None:
        return
    told: dict[str, object] = {}
    if send.link_url and not send.app_id:
        if not picture.address and picture.size <= limits().picture_bytes:
            content, name = _file(picture)
            told = {"address": wecom.client().upload_picture(content, name=name)}
    elif not _is_fresh(picture, now):
        content, name = _file(picture)
        media = wecom.client().upload_media(content, name=name, kind="image")
        told = {"media_id": media.media_id, "media_at": now}
    if told:
        MaterialPicture.unsafe_all.filter(pk=picture.pk).update(**told)


def _is_fresh(picture: MaterialPicture, now: datetime) -> bool:
    """Whether WeCom has it, and will still have it at the call."""
    since = picture.media_at
    return bool(picture.media_id and since and since > now - MEDIA_LIVES + MEDIA_MARGIN)


def _file(picture: MaterialPicture) -> tuple[bytes, str]:
    with picture.file.open("rb") as file:
        return file.read(), f"{picture.pk.hex}.{picture.extension}"


def check(item: OutboxItem, now: datetime) -> Refusal | None:
    """Still approved, still the approved content, and whoever may not get it is left out."""
    batch = _batch(item)
    send = batch.send
    if send.state == State.STOPPED:
        return Refusal("stopped", _("群发已停止"))
    if send.state not in (State.APPROVED, State.SENDING):
        return Refusal("not_approved", _("发送时已不是已审批状态"))
    if not content_hash(send) == send.approved_hash == item.payload["content_hash"]:
        return Refusal("changed", _("内容与审批时不一致，未发送；请重新提交审批"))
    if batch.agent.status != Agent.Status.ACTIVE:
        return Refusal("no_sender", _("员工已离职或停用，未发送"))
    if quiet_until(item.kind, now=now):
        return None  # The arbiter puts it off; another day's cap counts then.
    with connection.cursor() as cursor:
        cursor.execute(_LEAVE_OUT, {"batch": batch.pk})
    caps.reserve(batch.pk, to_groups=send.is_to_groups, now=now)
    pass_gate(batch, now=now)
    caps.release(batch.pk)
    if not batch.recipients.filter(state=MassRecipient.State.WAITING).exists():
        return Refusal("empty", _("这一批已没有可以接收的人"))
    return None


def call(item: OutboxItem) -> Done:
    """The call itself: one sender, everybody by name."""
    batch = _batch(item)
    send, client = batch.send, wecom.client()
    waiting = batch.recipients.filter(state=MassRecipient.State.WAITING).order_by("pk")
    words = {"text": send.text, "attachments": attachments_of(send)}
    try:
        done = _create(batch, client, waiting, words)
    except Refused as refused:
        if refused.code in MEDIA_GONE and item.attempts < MAX_ATTEMPTS:
            # It is uploaded again before the next call.
            MaterialPicture.unsafe_all.filter(pk=send.picture_id).update(media_id="", media_at=None)
            raise RetryLater(str(refused), code=refused.code, retry_after=1) from refused
        raise
    return Done(remote_id=done.msgid, result={"unreachable": list(done.unreachable)})


def _create(batch: MassBatch, client: wecom.Client, waiting: QuerySet, words: dict) -> MassCreated:
    send = batch.send
    if send.is_to_groups:
        chat_ids = list(waiting.values_list("group__chat_id", flat=True))
        return client.create_group_send(sender=batch.agent.userid, chat_ids=chat_ids, **words)
    return client.create_mass_send(
        sender=batch.agent.userid,
        external_userids=list(waiting.values_list("customer__external_userid", flat=True)),
        allow_select=send.may_choose,
        **words,
    )


def reconcile(item: OutboxItem, now: datetime) -> Finding:
    """Look the task up by words, sender and recipients; two that could be ours are for a person."""
    match = find(item, _batch(item), wecom.client(), now=now)
    evidence = match.evidence()
    if len(match.ours) == 1 and not match.rivals:
        return Found(match.ours[0].msgid, {}, evidence)
    if match.ours or match.undecided:
        return NotYet(evidence)
    return Absent(match.later_seen, evidence)


def changed(item: OutboxItem, now: datetime) -> None:
    """Batch, recipients and send follow their item."""
    batch = _batch(item)
    if (state := _BATCH_STATES.get(item.state)) is None:
        return
    batch.state, batch.reason = state, item.reason
    if item.state == ItemState.DONE:
        _accept(batch, item, now)
    elif item.state == ItemState.PARKED:
        _settle(batch, MassRecipient.State.PARKED, item.reason_code)
    elif item.state == ItemState.SKIPPED:
        stopped = item.reason_code == "withdrawn"
        _settle(batch, MassRecipient.State.SKIPPED, "stopped" if stopped else item.reason_code)
    elif item.state == ItemState.FAILED:
        _settle(batch, MassRecipient.State.FAILED, item.reason_code)
    batch.save(update_fields=["state", "reason", "msgid", "accepted_at", "follow_at"])
    _carry_on(batch, item, now)


def _accept(batch: MassBatch, item: OutboxItem, now: datetime) -> None:
    batch.msgid, batch.accepted_at, batch.follow_at = item.remote_id, now, now
    unreachable = item.result.get("unreachable") or []
    field = "group__chat_id" if batch.send.is_to_groups else "customer__external_userid"
    lost = _open(batch).filter(**{f"{field}__in": unreachable}).values("pk")
    MassRecipient.unsafe_all.filter(pk__in=lost).update(
        state=MassRecipient.State.FAILED, reason=MassRecipient.Reason.UNREACHABLE
    )
    _open(batch).update(state=MassRecipient.State.DONE, reason="")
    caps.release(batch.pk)


def _settle(batch: MassBatch, state: str, code: str) -> None:
    _open(batch).update(state=state, reason=(code or state)[:32])
    caps.release(batch.pk)


def _open(batch: MassBatch):
    waiting = (MassRecipient.State.WAITING, MassRecipient.State.PARKED)
    return MassRecipient.unsafe_all.filter(batch=batch, state__in=waiting)


def _carry_on(batch: MassBatch, item: OutboxItem, now: datetime) -> None:
    """The send begins with its first call and ends with its last.

    What was taken back ends nothing: the send goes on as a draft, or is stopped already.
    """
    if item.reason_code == "withdrawn":
        return
    send = MassSend.unsafe_all.select_for_update().get(pk=batch.send_id)
    if send.state == State.STOPPED and item.state == ItemState.DONE:
        enqueue_stop(batch, by=None, now=now)
    elif send.state == State.APPROVED and item.state == ItemState.CALLING:
        MassSend.unsafe_all.filter(pk=send.pk).update(state=State.SENDING)
    if send.state in (State.APPROVED, State.SENDING) and not (
        send.batches.filter(state__in=MassBatch.OPEN).exists()
    ):
        MassSend.unsafe_all.filter(pk=send.pk).update(state=State.SENT, finished_at=now)


def _page_of_batch(pk: int) -> str:
    """The send's page; an edit of the send has taken the batches of its old plan away."""
    found = MassBatch.unsafe_all.filter(pk=pk).values_list("send_id", flat=True).first()
    return reverse("crm:outreach:detail", args=[found]) if found else ""


# Stop


def check_stop(item: OutboxItem, now: datetime) -> Refusal | None:
    """An agent who has sent cannot be stopped any more."""
    batch = _batch(item)
    if batch.confirmed_at or not batch.msgid:
        return Refusal("over", _("员工已经发送，无法停止"))
    return None


def stop(item: OutboxItem) -> Done:
    """Ask WeCom to stop the agent of one batch."""
    wecom.client().cancel_mass_send(_batch(item).msgid)
    return Done()


def stop_changed(item: OutboxItem, now: datetime) -> None:
    """Stopped only once WeCom has said so; then asked a last time what had been received."""
    if item.state == ItemState.DONE:
        MassBatch.unsafe_all.filter(pk=item.subject_id).update(stopped_at=now, follow_at=now)


register_scope("massbatch", lambda user: MassBatch.objects.for_user(user), page=_page_of_batch)
for _kind, _label in (
    ("mass_send", gettext_lazy("群发")),
    ("group_post", gettext_lazy("客户群群发")),
):
    register(
        Handler(
            kind=_kind,
            label=_label,
            prepare=prepare,
            check=check,
            call=call,
            reconcile=reconcile,
            changed=changed,
        )
    )
register(
    Handler(
        kind=STOP,
        label=gettext_lazy("停止群发"),
        check=check_stop,
        call=stop,
        reconcile=lambda item, now: Repeatable(""),
        changed=stop_changed,
        is_repeatable=True,
        disturbs=False,
    )
)
