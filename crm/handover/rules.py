"""What WeCom's rules say of a transfer before it is asked for (R-08, R-10)."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db.models import Count
from django.utils.translation import gettext as _

from crm.agents.models import Agent
from crm.customers.models import Contact
from crm.handover.models import State, Transfer
from crm.shared.errors import DomainError
from crm.shared.times import day_start, local_day
from crm.wecom.limits import limits

A_YEAR = timedelta(days=365)
WINDOW = timedelta(days=90)
IN_WINDOW = 2
PATIENCE = timedelta(hours=24)


class HandoverRefused(DomainError):
    """The handover cannot be carried out as it was asked for."""

    code = "handover_refused"


def is_resigned(giver: Agent, *, now: datetime) -> bool:
    """Which of the two kinds it will be; raises HandoverRefused where it can be neither."""
    if giver.status == Agent.Status.ACTIVE:
        return False
    if giver.status != Agent.Status.LEFT:
        words = _("“%(name)s”的账号已停用或未激活，企业微信不允许移交；请先启用账号或办理离职")
        raise HandoverRefused(words % {"name": giver.name}, field="giver")
    if giver.left_at is not None and giver.left_at < now - A_YEAR:
        words = _("“%(name)s”离职已超过一年，企业微信不再允许继承")
        raise HandoverRefused(words % {"name": giver.name}, field="giver")
    return True


def check_takers(giver: Agent, takers: Sequence[Agent]) -> None:
    """Somebody takes over, it is not the giver, and they are at work."""
    if not takers:
        raise HandoverRefused(_("请至少选择一位接替员工"), field="takers")
    if any(taker.pk == giver.pk for taker in takers):
        raise HandoverRefused(_("原员工不能接替自己"), field="takers")
    away = [taker.name for taker in takers if taker.status != Agent.Status.ACTIVE]
    if away:
        words = _("“%(names)s”不是在职状态，不能接替")
        raise HandoverRefused(words % {"names": "、".join(away)}, field="takers")


def window_start(now: datetime) -> datetime:
    """The first instant of the 90 calendar days that end today."""
    return day_start(local_day(now) - WINDOW + timedelta(days=1))


def too_often(customer_ids: Iterable[int], *, now: datetime) -> set[int]:
    """Customers who were handed over twice within 90 days, refusals left aside (in service)."""
    begun = Transfer.unsafe_all.filter(
        customer_id__in=list(customer_ids),
        is_resigned=False,
        state__in=(State.WAITING, State.DONE),
        started_at__gte=window_start(now),
    )
    often = begun.values_list("customer_id").annotate(n=Count("pk")).filter(n__gte=IN_WINDOW)
    return {customer_id for customer_id, _n in often.order_by()}


def room_of(takers: Sequence[Agent]) -> dict[int, int]:
    """How many customers each of them may still get: the platform's cap, those coming included."""
    ids = [taker.pk for taker in takers]
    have = _counted(Contact.unsafe_all.current().filter(agent__in=ids), "agent_id")
    coming = _counted(Transfer.unsafe_all.open().filter(taker__in=ids), "taker_id")
    most = limits().member_customers
    return {pk: max(most - have.get(pk, 0) - coming.get(pk, 0), 0) for pk in ids}


def load_of(takers: Sequence[Agent]) -> dict[int, int]:
    """How many customers each of them has or is about to have."""
    room = room_of(takers)
    return {pk: limits().member_customers - left for pk, left in room.items()}


def _counted(rows, column: str) -> dict[int, int]:
    return dict(rows.values_list(column).annotate(n=Count("pk")).order_by())
