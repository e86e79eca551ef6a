"""How the outbox starts transfers, and what it makes of WeCom's first answer."""

from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm import wecom
from crm.agents.models import Agent
from crm.customers.models import Contact
from crm.handover import rules
from crm.handover.models import Handover, State, Transfer
from crm.handover.queueing import CUSTOMERS
from crm.outbox.models import OutboxItem
from crm.outbox.registry import (
    Absent,
    Done,
    Finding,
    Found,
    Handler,
    Refusal,
    register,
    register_scope,
)
from crm.wecom.transfer_records import TransferSeen, TransferStatus

FULL = 40099
STATE_OF = {
    TransferStatus.DONE: State.WAITING,  # Following makes it done, with all that belongs to it.
    TransferStatus.WAITING: State.WAITING,
    TransferStatus.REFUSED: State.REFUSED,
    TransferStatus.FULL: State.FULL,
}
NO = (TransferStatus.REFUSED, TransferStatus.FULL)
REASON_OF = {State.REFUSED: "customer_refused", State.FULL: "receiver_full"}


def _rows(item: OutboxItem):
    return Transfer.unsafe_all.filter(item=item)


def check(item: OutboxItem, now: datetime) -> Refusal | None:
    """Still friends, still somebody at work to take them, still within the rules."""
    rows = list(_rows(item).filter(state=State.PLANNED).select_for_update().order_by("customer_id"))
    taker = Agent.unsafe_all.get(pk=item.payload["taker"])
    if taker.status != Agent.Status.ACTIVE:
        return Refusal("taker_away", _("接替员工已离职或停用"))
    ids = [row.customer_id for row in rows]
    handover = Handover.unsafe_all.get(pk=item.subject_id)
    friends = set(
        Contact.unsafe_all.current()
        .filter(agent=handover.giver_id, customer__in=ids)
        .values_list("customer_id", flat=True)
    )
    often = set() if handover.is_resigned else rules.too_often(ids, now=now)
    _fail([row.pk for row in rows if row.customer_id not in friends], "gone", now)
    _fail([row.pk for row in rows if row.customer_id in often], "too_often", now)
    if _rows(item).filter(state=State.PLANNED).exists():
        return None
    return Refusal("empty", _("没有可移交的客户：已不是好友、已停止，或移交过于频繁"))


def _fail(ids: list[int], code: str, now: datetime) -> None:
    Transfer.unsafe_all.filter(pk__in=ids).update(
        state=State.FAILED, reason_code=code, ended_at=now
    )


def start(item: OutboxItem) -> Done:
    """The call itself: begun, or not, for each customer."""
    handover = Handover.unsafe_all.select_related("giver").get(pk=item.subject_id)
    rows = _rows(item).filter(state=State.CALLING).order_by("pk")
    started = wecom.client().transfer_customers(
        handover_userid=handover.giver.userid,
        takeover_userid=Agent.unsafe_all.get(pk=item.payload["taker"]).userid,
        external_userids=list(rows.values_list("customer__external_userid", flat=True)),
        message=handover.message,
        resigned=handover.is_resigned,
    )
    return Done(result={"codes": {one.external_userid: one.code for one in started}})


def reconcile(item: OutboxItem, now: datetime) -> Finding:
    """WeCom lists transfers by pair of agents; whoever of ours is listed tells of the whole call.

    Nobody listed: after the usual looks it is tried again. Should it have begun all the same, WeCom
    refuses the second one (40129), so nobody is asked twice.
    """
    calling = _rows(item).filter(state=State.CALLING)
    wanted = set(calling.values_list("customer__external_userid", flat=True))
    settled = _said_no_before(item)
    listed = {
        seen.external_userid: seen
        for seen in results(item)
        if seen.external_userid in wanted
        and is_ours(seen, item.called_at)
        and not (seen.external_userid in settled and seen.status in NO)
    }
    evidence = {"listed": len(listed), "wanted": len(wanted)}
    if not listed:
        return Absent(later_seen=True, evidence=evidence)
    codes = {key: int(seen.status) for key, seen in listed.items()}
    return Found(remote_id="", result={"listed": codes}, evidence=evidence)


def _said_no_before(item: OutboxItem) -> set[str]:
    """Customers whom an earlier transfer to the same agent failed; a no may be that old one."""
    rows = _rows(item)
    earlier = Transfer.unsafe_all.filter(
        customer__in=rows.values("customer"),
        giver__in=rows.values("giver"),
        taker=item.payload["taker"],
        state__in=(State.REFUSED, State.FULL),
    )
    return set(earlier.values_list("customer__external_userid", flat=True))


def results(item: OutboxItem) -> list[TransferSeen]:
    """What WeCom lists for the two agents of an item."""
    handover = Handover.unsafe_all.select_related("giver").get(pk=item.subject_id)
    return wecom.client().transfer_results(
        handover_userid=handover.giver.userid,
        takeover_userid=Agent.unsafe_all.get(pk=item.payload["taker"]).userid,
        resigned=handover.is_resigned,
    )


def is_ours(seen: TransferSeen, called_at: datetime | None) -> bool:
    """Not an older one between the same two: that one ended before we called."""
    if seen.status not in STATE_OF:
        return False
    return seen.at is None or called_at is None or seen.at >= called_at


def changed(item: OutboxItem, now: datetime) -> None:
    """The transfers follow the item that carries them."""
    state, rows = OutboxItem.State, _rows(item)
    if item.state == state.CALLING:
        rows.filter(state=State.PLANNED).update(state=State.CALLING, updated_at=now)
    elif item.state == state.WAITING:
        rows.filter(state=State.CALLING).update(state=State.PLANNED, updated_at=now)
    elif item.state == state.DONE:
        _begun(item, now)
    elif item.state in (state.FAILED, state.SKIPPED):
        open_ = rows.filter(state__in=(State.PLANNED, State.CALLING))
        if item.reason_code == "withdrawn":
            open_.update(state=State.KEPT, reason_code="stopped", ended_at=now)
        else:
            open_.update(state=State.FAILED, reason_code=item.reason_code, ended_at=now)


def _begun(item: OutboxItem, now: datetime) -> None:
    """Write what each customer's answer says, and ask for the results from now on."""
    called_at = item.called_at or now
    for row in _rows(item).filter(state=State.CALLING).select_related("customer"):
        row.state, row.reason_code = _said(item, row.customer.external_userid)
        row.started_at, row.due_at = called_at, called_at + rules.PATIENCE
        if row.state != State.WAITING:
            row.ended_at, row.due_at = now, None
            if row.state == State.FAILED:
                row.started_at = None  # It never began, so it does not count towards the two.
        row.save()
    Handover.unsafe_all.filter(pk=item.subject_id).update(follow_at=now)


def _said(item: OutboxItem, external_userid: str) -> tuple[str, str]:
    if item.result.get("adopted"):
        return State.WAITING, ""
    if (codes := item.result.get("codes")) is not None:
        code = codes.get(external_userid)
        if code == 0:
            return State.WAITING, ""
        if code == FULL:
            return State.FULL, "receiver_full"
        return State.FAILED, "not_begun" if code is None else str(code)
    status = item.result.get("listed", {}).get(external_userid)
    if status is None:
        return State.FAILED, "not_begun"
    state = STATE_OF[TransferStatus(status)]
    return state, REASON_OF.get(state, "")


register_scope(
    "handover",
    lambda user: Handover.objects.for_user(user),
    page=lambda pk: reverse("crm:handover:detail", args=[pk]),
)
register(
    Handler(
        kind=CUSTOMERS,
        label=gettext_lazy("移交客户"),
        check=check,
        call=start,
        reconcile=reconcile,
        changed=changed,
    )
)
