"""Transfers become outbox items: at most a hundred customers or groups in a call."""

from datetime import datetime, timedelta
from itertools import groupby

from django.utils.translation import gettext as _
from django.utils.translation import override

from crm.handover.models import GroupTransfer, Handover, State, Transfer
from crm.outbox import actions as outbox
from crm.outbox.actions import NewItem
from crm.shared.times import day_start, local_day
from crm.wecom.limits import limits

CUSTOMERS, GROUPS = "transfer_customers", "transfer_groups"
# Of one owner's groups WeCom lets so many change hands in a day.
GROUPS_A_DAY = 300


def enqueue_customers(handover: Handover, *, due_at: datetime) -> None:
    """Queue every planned transfer of the handover that is in no item yet."""
    waiting = Transfer.unsafe_all.filter(handover=handover, state=State.PLANNED, item=None)
    rows = list(waiting.select_related("taker").order_by("taker_id", "pk"))
    for taker, of_taker in groupby(rows, key=lambda row: row.taker):
        batch = list(of_taker)
        for start in range(0, len(batch), limits().transfer_customers):
            part = [row.pk for row in batch[start : start + limits().transfer_customers]]
            with override("zh-hans"):
                title = _("%(giver)s → %(taker)s：%(n)s 位客户")
            names = {"giver": handover.giver.name, "taker": taker.name, "n": len(part)}
            item = outbox.enqueue(
                NewItem(
                    kind=CUSTOMERS,
                    key=f"transfer:{part[0]}",
                    subject=handover,
                    title=title % names,
                    due_at=due_at,
                    payload={"taker": taker.pk},
                ),
                by=handover.created_by,
            )
            Transfer.unsafe_all.filter(pk__in=part).update(item=item)


def enqueue_groups(handover: Handover, *, due_at: datetime, now: datetime) -> None:
    """Queue the groups; beyond three hundred of one owner a day they wait for the next days."""
    waiting = GroupTransfer.unsafe_all.filter(handover=handover, state=State.PLANNED, item=None)
    rows = list(waiting.select_related("taker").order_by("taker_id", "pk"))
    used = _used_today(handover, now)
    for taker, of_taker in groupby(rows, key=lambda row: row.taker):
        batch = list(of_taker)
        for start in range(0, len(batch), limits().transfer_groups):
            part = [row.pk for row in batch[start : start + limits().transfer_groups]]
            days, used = (used + len(part) - 1) // GROUPS_A_DAY, used + len(part)
            with override("zh-hans"):
                title = _("%(giver)s → %(taker)s：%(n)s 个客户群")
            names = {"giver": handover.giver.name, "taker": taker.name, "n": len(part)}
            item = outbox.enqueue(
                NewItem(
                    kind=GROUPS,
                    key=f"transfer:groups:{part[0]}",
                    subject=handover,
                    title=title % names,
                    due_at=due_at if not days else _morning(now, days),
                    payload={"taker": taker.pk},
                ),
                by=handover.created_by,
            )
            GroupTransfer.unsafe_all.filter(pk__in=part).update(item=item)


def _used_today(handover: Handover, now: datetime) -> int:
    today = day_start(local_day(now))
    earlier = GroupTransfer.unsafe_all.filter(handover__giver=handover.giver)
    done = earlier.filter(state=State.DONE, ended_at__gte=today).count()
    queued = earlier.filter(state__in=(State.PLANNED, State.CALLING), item__isnull=False).count()
    return done + queued


def _morning(now: datetime, days: int) -> datetime:
    return day_start(local_day(now) + timedelta(days=days)) + timedelta(hours=9)
