"""Starting a handover, trying refused customers with somebody else, and stopping what waits."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from crm.agents.actions import audit
from crm.agents.models import Agent, User
from crm.faces.models import Face
from crm.handover import rules
from crm.handover.models import AGAIN, GroupTransfer, Handover, State, Transfer
from crm.handover.planning import (
    NO_ROOM,
    OPEN_ELSEWHERE,
    Plan,
    Split,
    make_plan,
    obstacles,
    share_out,
)
from crm.handover.queueing import enqueue_customers, enqueue_groups
from crm.handover.rules import HandoverRefused
from crm.outbox import actions as outbox
from crm.outbox.models import OutboxItem
from crm.shared.text import clean_text
from crm.wecom.limits import limits

# What reaches customers can be stopped for a minute.
GRACE = timedelta(seconds=60)


def start_handover(
    *,
    giver: Agent,
    takers: Sequence[Agent],
    split: str = Split.EVEN,
    with_groups: bool = False,
    face: Face | None = None,
    message: str = "",
    expected: int,
    by: User,
    now: datetime,
) -> Handover:
    """Hand over as ``make_plan`` says now, after a minute's grace.

    ``expected`` is the number of customers that the actor saw and confirmed. Raises
    HandoverRefused; then nothing has changed.
    """
    message = clean_text(message)
    if len(message) > limits().transfer_message_ch:
        words = _("告诉客户的话最多 %(limit)s 个字，现有 %(given)s 个")
        given = {"limit": limits().transfer_message_ch, "given": len(message)}
        raise HandoverRefused(words % given, field="message")
    check_scope(by, [giver, *takers])
    with transaction.atomic():
        # Two who plan for the same agent come one after the other.
        giver = Agent.unsafe_all.select_for_update().get(pk=giver.pk)
        asked = {"split": split, "with_groups": with_groups, "face": face}
        plan = make_plan(giver=giver, takers=takers, now=now, **asked)
        if plan.moving != expected:
            words = _("可移交的客户现在是 %(now)s 位，不是刚才的 %(seen)s 位；请重新查看后确认")
            raise HandoverRefused(words % {"now": plan.moving, "seen": expected})
        if not plan.moving and not plan.groups:
            raise HandoverRefused(_("没有可移交的客户或客户群"))
        handover = Handover.unsafe_all.create(
            giver=giver,
            is_resigned=plan.is_resigned,
            message="" if plan.is_resigned else message,
            customers=len(plan.customers),
            created_by=by,
        )
        _write(handover, plan, now=now)
        told = {"customers": plan.moving, "n": len(plan.groups)}
        told |= {"face": face.pk} if face else {}
        audit(by, "handover.start", handover, now=now, **told)
    return handover


def check_scope(by: User, agents: Sequence[Agent]) -> None:
    """Both sides of a handover are within the actor's own scope."""
    wanted = {agent.pk for agent in agents}
    seen = set(Agent.objects.for_user(by).filter(pk__in=wanted).values_list("pk", flat=True))
    if wanted - seen:
        raise HandoverRefused(_("有员工不在您的管辖范围内"), field="takers")


def _write(handover: Handover, plan: Plan, *, now: datetime) -> None:
    rows = [
        Transfer(
            handover=handover,
            customer_id=planned.customer_id,
            giver=plan.giver,
            taker_id=planned.taker_id,
            is_resigned=plan.is_resigned,
            state=State.PLANNED if planned.taker_id else State.KEPT,
            reason_code=planned.reason,
        )
        for planned in plan.customers
    ]
    insert(rows)
    enqueue_customers(handover, due_at=now + GRACE)
    groups = [
        GroupTransfer(handover=handover, group=group, taker_id=owner)
        for group, owner in plan.groups
    ]
    GroupTransfer.unsafe_all.bulk_create(groups, ignore_conflicts=True)
    enqueue_groups(handover, due_at=now + GRACE, now=now)


def insert(rows: Sequence[Transfer]) -> None:
    """Write new transfers; whom somebody else has begun to hand over meanwhile stays.

    The constraint decides, not the look before: two plans at once cannot both have a customer.
    """
    Transfer.unsafe_all.bulk_create(rows, ignore_conflicts=True, batch_size=1000)
    if not rows:
        return
    written = set(
        Transfer.unsafe_all.latest()
        .filter(handover=rows[0].handover)
        .values_list("customer_id", flat=True)
    )
    left_out = [row for row in rows if row.customer_id not in written]
    for row in left_out:
        row.pk, row.state, row.reason_code = None, State.KEPT, OPEN_ELSEWHERE
    Transfer.unsafe_all.bulk_create(left_out, batch_size=1000)


@transaction.atomic
def retry_transfers(
    *,
    handover_id: int,
    transfer_ids: Iterable[int] | None,
    takers: Sequence[Agent],
    by: User,
    now: datetime,
) -> int:
    """Try those who refused, found no room or failed with other agents; returns how many.

    None as ``transfer_ids`` means all of them. Nobody goes to whom they have refused already.
    Raises HandoverRefused when nobody is left to try.
    """
    handover = Handover.unsafe_all.select_for_update().select_related("giver").get(pk=handover_id)
    check_scope(by, [handover.giver, *takers])
    rules.is_resigned(handover.giver, now=now)
    rules.check_takers(handover.giver, takers)
    old = (
        Transfer.unsafe_all.latest().select_for_update().filter(handover=handover, state__in=AGAIN)
    )
    if transfer_ids is not None:
        old = old.filter(pk__in=list(transfer_ids))
    again = _again(handover, list(old.order_by("pk")), takers, now=now)
    if not again:
        raise HandoverRefused(
            _("没有可以再试的客户：或已拒绝过这些员工，或 90 天内已移交两次，或他们已满")
        )
    Transfer.unsafe_all.filter(pk__in=[row.pk for row, _taker in again]).update(is_latest=False)
    insert(
        [
            Transfer(
                handover=handover,
                customer_id=row.customer_id,
                giver_id=row.giver_id,
                taker_id=taker_id,
                is_resigned=row.is_resigned,
                attempt=row.attempt + 1,
            )
            for row, taker_id in again
        ]
    )
    enqueue_customers(handover, due_at=now + GRACE)
    audit(by, "handover.retry", handover, now=now, customers=len(again))
    return len(again)


def _again(
    handover: Handover, old: Sequence[Transfer], takers: Sequence[Agent], *, now: datetime
) -> list[tuple[Transfer, int]]:
    """Each old transfer with its next taker; left out who cannot be handed over now."""
    ids = [row.customer_id for row in old]
    held = obstacles(ids, resigned=handover.is_resigned, now=now)
    tried: dict[int, set[int]] = {}
    before = Transfer.unsafe_all.filter(handover=handover, customer_id__in=ids)
    for customer_id, taker_id in before.values_list("customer_id", "taker_id"):
        tried.setdefault(customer_id, set()).add(taker_id)
    room, found = rules.room_of(takers), []
    for row in old:
        fresh = {pk: n for pk, n in room.items() if pk not in tried[row.customer_id]}
        if row.customer_id in held or row.reason_code == "gone":
            continue
        given = share_out([row.customer_id], room=fresh, load=_fullest(fresh), level=True)
        if taker_id := given.get(row.customer_id):
            room[taker_id] -= 1
            found.append((row, taker_id))
    return found


def _fullest(room: dict[int, int]) -> dict[int, int]:
    # Whoever has most room comes first.
    return {pk: -left for pk, left in room.items()}


@transaction.atomic
def stop_handover(*, handover_id: int, by: User, now: datetime) -> int:
    """Take back what WeCom has not been asked for yet; returns the customers who stay.

    What has begun goes on: WeCom takes no transfer back.
    """
    handover = Handover.unsafe_all.select_for_update().get(pk=handover_id)
    rows = Transfer.unsafe_all.filter(handover=handover, state=State.KEPT, reason_code="stopped")
    before = rows.count()
    items = OutboxItem.unsafe_all.filter(
        subject_type="handover", subject_id=handover.pk, state=OutboxItem.State.WAITING
    )
    for key in list(items.values_list("key", flat=True)):
        try:
            outbox.withdraw(key, now=now, reason=_("继承已停止"))
        except outbox.AlreadyOnItsWay:
            continue
    stopped = rows.count() - before
    if not stopped:
        raise HandoverRefused(_("没有可停止的：都已发起或已结束，企业微信不能收回移交"))
    handover.stopped_at = now
    handover.save(update_fields=["stopped_at"])
    audit(by, "handover.stop", handover, now=now, customers=stopped)
    return stopped


__all__ = [
    "NO_ROOM",
    "HandoverRefused",
    "insert",
    "retry_transfers",
    "start_handover",
    "stop_handover",
]
