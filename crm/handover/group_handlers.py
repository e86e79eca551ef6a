"""How the outbox gives groups to new owners; WeCom shows at once who owns a group."""

from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm import wecom
from crm.agents.models import Agent
from crm.groups.models import Group
from crm.handover.models import GroupTransfer, Handover, State
from crm.handover.queueing import GROUPS
from crm.outbox.models import OutboxItem
from crm.outbox.registry import Absent, Done, Finding, Found, Handler, Refusal, register

OWNER_ALREADY = 90504


def _rows(item: OutboxItem):
    return GroupTransfer.unsafe_all.filter(item=item)


def check(item: OutboxItem, now: datetime) -> Refusal | None:
    """Still the giver's group, still somebody at work to own it."""
    taker = Agent.unsafe_all.get(pk=item.payload["taker"])
    if taker.status != Agent.Status.ACTIVE:
        return Refusal("taker_away", _("接替员工已离职或停用"))
    handover = Handover.unsafe_all.get(pk=item.subject_id)
    lost = _rows(item).filter(state=State.PLANNED).exclude(group__owner=handover.giver_id)
    lost.update(state=State.FAILED, reason_code="group_gone", ended_at=now)
    if _rows(item).filter(state=State.PLANNED).exists():
        return None
    return Refusal("empty", _("没有可移交的客户群"))


def give(item: OutboxItem) -> Done:
    """The call itself; WeCom names the groups that could not change hands."""
    handover = Handover.unsafe_all.get(pk=item.subject_id)
    rows = _rows(item).filter(state=State.CALLING).order_by("pk")
    failed = wecom.client().transfer_groups(
        chat_ids=list(rows.values_list("group__chat_id", flat=True)),
        owner=Agent.unsafe_all.get(pk=item.payload["taker"]).userid,
        resigned=handover.is_resigned,
    )
    codes = {one.chat_id: one.code for one in failed if one.code != OWNER_ALREADY}
    return Done(result={"failed": codes})


def reconcile(item: OutboxItem, now: datetime) -> Finding:
    """Whoever owns a group now says whether the call was carried out."""
    taker = Agent.unsafe_all.get(pk=item.payload["taker"]).userid
    moved, stayed = [], {}
    chats = _rows(item).filter(state=State.CALLING).values_list("group__chat_id", flat=True)
    for chat_id in chats:
        if wecom.client().group(chat_id).owner == taker:
            moved.append(chat_id)
        else:
            stayed[chat_id] = "not_begun"
    evidence = {"listed": len(moved), "wanted": len(moved) + len(stayed)}
    if not moved:
        return Absent(later_seen=True, evidence=evidence)
    return Found("", {"failed": stayed}, evidence)


def changed(item: OutboxItem, now: datetime) -> None:
    """The groups follow the item that carries them."""
    state, rows = OutboxItem.State, _rows(item)
    if item.state == state.CALLING:
        rows.filter(state=State.PLANNED).update(state=State.CALLING, updated_at=now)
    elif item.state == state.WAITING:
        rows.filter(state=State.CALLING).update(state=State.PLANNED, updated_at=now)
    elif item.state == state.DONE:
        _given(item, now)
    elif item.state in (state.FAILED, state.SKIPPED):
        open_ = rows.filter(state__in=(State.PLANNED, State.CALLING))
        stopped = item.reason_code == "withdrawn"
        open_.update(
            state=State.KEPT if stopped else State.FAILED,
            reason_code="stopped" if stopped else item.reason_code,
            ended_at=now,
        )


def _given(item: OutboxItem, now: datetime) -> None:
    failed = item.result.get("failed", {})
    for row in _rows(item).filter(state=State.CALLING).select_related("group"):
        code = failed.get(row.group.chat_id)
        row.state = State.DONE if code is None else State.FAILED
        row.reason_code, row.ended_at = "" if code is None else str(code), now
        row.save()
        if code is None:
            Group.unsafe_all.filter(pk=row.group_id).update(owner=row.taker, updated_at=now)


register(
    Handler(
        kind=GROUPS,
        label=gettext_lazy("移交客户群"),
        check=check,
        call=give,
        reconcile=reconcile,
        changed=changed,
    )
)
