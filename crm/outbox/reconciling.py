"""Finding out what became of a call whose answer never came.

WeCom takes no idempotency key, so its own records are searched. Absence proves nothing at once: it
counts after three looks over five minutes, and then only if a later record of ours is listed.
Everything else goes to a person, with the evidence.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from crm.outbox.models import OutboxItem
from crm.outbox.registry import (
    Absent,
    Found,
    Handler,
    NotYet,
    Repeatable,
    Unknowable,
)
from crm.outbox.settling import settle
from crm.shared import faults
from crm.wecom.errors import Misconfigured, NotReachable, OutcomeUnknown, Refused, RetryLater

State = OutboxItem.State

FIRST_CHECK = timedelta(seconds=10)
BETWEEN_CHECKS = timedelta(seconds=150)
UNREACHABLE_WAIT = timedelta(seconds=30)
LOOKS = 3
OVER = timedelta(minutes=5)
PATIENCE = timedelta(hours=1)
MAX_ATTEMPTS = 5


def reconcile(item: OutboxItem, handler: Handler, clock: Callable[[], datetime]) -> None:
    """One look for an uncertain item, and what follows from it."""
    if handler.is_repeatable:
        _again(item, clock(), _("重复执行与执行一次效果相同"))
        return
    faults.point("outbox.before_look")
    try:
        finding = handler.reconcile(item, clock())
    except (NotReachable, RetryLater, OutcomeUnknown, Misconfigured) as trouble:
        _look_later(item, clock(), str(trouble), wait=UNREACHABLE_WAIT)
        return
    except Refused as refused:
        finding = NotYet({"error": str(refused)})
    if isinstance(finding, Repeatable):
        _again(item, clock(), finding.reason)
    elif isinstance(finding, Unknowable):
        settle(item, State.SKIPPED, now=clock(), code="unknown", reason=finding.reason)
    else:
        faults.point("outbox.before_conclusion")
        _conclude(item, finding, clock())
        faults.point("outbox.after_conclusion")


def _conclude(item: OutboxItem, finding: Found | Absent | NotYet, now: datetime) -> None:
    item.checks += 1
    item.first_checked_at = item.first_checked_at or now
    item.evidence = {"looked_at": now.isoformat(), "looks": item.checks, **finding.evidence}
    if isinstance(finding, Found):
        settle(
            item,
            State.DONE,
            now=now,
            code="reconciled",
            reason=_("在企业微信的记录中找到，已采用"),
            remote_id=finding.remote_id,
            result=finding.result,
        )
        return
    looked_enough = item.checks >= LOOKS and now - item.first_checked_at >= OVER
    if isinstance(finding, Absent) and looked_enough:
        if finding.later_seen and item.attempts < MAX_ATTEMPTS:
            _again(item, now, _("记录中没有，且更晚的一条已列出：重新发送"))
        else:
            _park(item, now, _("记录中没有，但不足以证明未发送，请人工判断"))
        return
    if isinstance(finding, NotYet) and now - item.first_checked_at >= PATIENCE:
        _park(item, now, _("一小时内仍无法判断，请人工判断"))
        return
    _look_later(item, now, item.reason)


def _again(item: OutboxItem, now: datetime, why: str) -> None:
    item.checks, item.first_checked_at = 0, None
    settle(item, State.WAITING, now=now, code="absent", reason=why, due_at=now)


def _park(item: OutboxItem, now: datetime, why: str) -> None:
    settle(item, State.PARKED, now=now, code="unclear", reason=why)


def _look_later(
    item: OutboxItem, now: datetime, why: str, *, wait: timedelta = BETWEEN_CHECKS
) -> None:
    settle(item, State.UNCERTAIN, now=now, code=item.reason_code, reason=why, due_at=now + wait)
