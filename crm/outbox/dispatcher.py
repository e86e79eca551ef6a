"""Carrying out what is due, at most once.

    waiting ─► leased ─► calling ─► done | failed | waiting (certainly nothing happened)
                            └─► uncertain ─► done (found) | waiting (absent) | parked (unclear)

Each arrow is a transaction that checks the fencing number. ``calling`` is committed before the
request leaves, so that whoever finds the row after a crash knows that it may have been applied.
"""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.outbox import arbiter, reconciling
from crm.outbox.models import OutboxItem
from crm.outbox.registry import Done, Handler, NotNeeded, handler_of
from crm.outbox.settling import settle
from crm.shared import faults
from crm.wecom.errors import Misconfigured, NotReachable, OutcomeUnknown, Refused, RetryLater

Clock = Callable[[], datetime]
State = OutboxItem.State
log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=30)
# What is worth nothing after twenty seconds must be found again before that.
URGENT_LEASE = timedelta(seconds=8)
CALL = timedelta(seconds=20)
MAX_ERRORS = 5
MISCONFIGURED_WAIT = timedelta(minutes=5)
LONGEST_WAIT = timedelta(minutes=10)

_dice = secrets.SystemRandom()


def dispatch(*, clock: Clock = timezone.now, limit: int = 200, urgent_only: bool = False) -> int:
    """Work off what is due until nothing is, or until ``limit`` steps; returns the steps taken."""
    worked = 0
    while worked < limit and (item := claim(now=clock(), urgent_only=urgent_only)):
        faults.point("outbox.claimed")
        work(item, clock)
        worked += 1
    return worked


def claim(*, now: datetime, urgent_only: bool = False) -> OutboxItem | None:
    """Lease the next due item; nobody else sees it until the lease runs out.

    Urgent items come first: they do not wait behind a mass send. Patient ones come last: nobody's
    send waits behind a hundred thousand tags.
    """
    with transaction.atomic():
        due = OutboxItem.unsafe_all.claimable(now)
        if faults.guarded("outbox.claim"):
            due = due.select_for_update(skip_locked=True)
        item = due.filter(is_urgent=True).first()
        if item is None and not urgent_only:
            item = due.filter(is_patient=False).first() or due.first()
        if item is None:
            return None
        item.fence += 1
        item.lease_until = now + _lease(item)
        if item.state == State.CALLING:
            # Whoever called did not come back: it may have happened.
            item.state, item.due_at = State.UNCERTAIN, now
            item.reason_code, item.reason = "lease_expired", _("调用途中进程中断，结果未知")
            _changed(item, now)
        elif item.state in (State.WAITING, State.LEASED):
            item.state = State.LEASED
        item.save()
    return item


def _lease(item: OutboxItem) -> timedelta:
    return URGENT_LEASE if item.is_urgent else LEASE


def work(item: OutboxItem, clock: Clock) -> None:
    """Take a leased item one step on; an error of ours never takes the dispatcher down."""
    handler = handler_of(item.kind)
    if handler is None:
        settle(item, State.PARKED, now=clock(), code="no_handler", reason=_("没有能处理它的程序"))
        return
    try:
        if item.state == State.UNCERTAIN:
            reconciling.reconcile(item, handler, clock)
        else:
            _deliver(item, handler, clock)
    except Exception as error:
        log.exception("outbox.error", item=item.pk, kind=item.kind)
        _after_error(item, error, now=clock())


def _deliver(item: OutboxItem, handler: Handler, clock: Clock) -> None:
    if item.give_up_at and item.give_up_at < clock():
        settle(item, State.FAILED, now=clock(), code="too_late", reason=_("已过最晚时间，未发送"))
        return
    try:
        handler.prepare(item, clock())
    except Refused as refused:
        settle(item, State.FAILED, now=clock(), code=str(refused.code), reason=str(refused))
        return
    except (RetryLater, NotReachable, OutcomeUnknown, Misconfigured) as trouble:
        _postpone(item, trouble, now=clock())  # Preparing twice is harmless, whatever happened.
        return
    if not _begin_call(item, handler, now=clock()):
        return
    faults.point("outbox.before_call")
    try:
        done = handler.call(item)
    except NotNeeded as answer:
        settle(item, State.SKIPPED, now=clock(), code=answer.code, reason=str(answer))
    except Refused as refused:
        settle(item, State.FAILED, now=clock(), code=str(refused.code), reason=str(refused))
    except (RetryLater, NotReachable, Misconfigured) as trouble:
        _postpone(item, trouble, now=clock())
    except OutcomeUnknown as unknown:
        _doubt(item, handler, unknown, now=clock())
    else:
        faults.point("outbox.after_call")
        _finish(item, done, now=clock())
        faults.point("outbox.after_commit")


def _begin_call(item: OutboxItem, handler: Handler, *, now: datetime) -> bool:
    """Check everything again, ask the arbiter and commit ``calling``; False: no call now."""
    with transaction.atomic():
        held = OutboxItem.unsafe_all.select_for_update().filter(
            pk=item.pk, fence=item.fence, state=State.LEASED
        )
        if not held and faults.guarded("outbox.claim"):
            return False  # Our lease ran out while preparing; somebody else has it.
        if (refusal := handler.check(item, now)) is not None:
            settle(item, State.SKIPPED, now=now, code=refusal.code, reason=refusal.reason)
            return False
        decision = arbiter.decide(item, handler, now=now)
        if not decision.is_allowed:
            _obey(item, decision, now=now)
            return False
        # Without this guard (a test's twin takes it away) a crash looks like "never called".
        item.state = State.CALLING if faults.guarded("outbox.calling") else State.LEASED
        item.attempts += 1
        item.called_at, item.call_deadline = now, now + CALL
        item.lease_until = now + _lease(item)
        item.save()
        _changed(item, now)
        faults.point("outbox.before_calling")
    return True


def _obey(item: OutboxItem, decision, *, now: datetime) -> None:
    words = _("触达规则 %(rule)s（第 %(version)s 版）暂不放行") % {
        "rule": decision.rule,
        "version": decision.rule_version,
    }
    if decision.retry_at is None:
        settle(item, State.SKIPPED, now=now, code="rule", reason=words)
    else:
        settle(item, State.WAITING, now=now, code="rule", reason=words, due_at=decision.retry_at)


def _finish(item: OutboxItem, done: Done, *, now: datetime) -> None:
    settle(item, State.DONE, now=now, remote_id=done.remote_id, result=done.result)


def _doubt(item: OutboxItem, handler: Handler, unknown: Exception, *, now: datetime) -> None:
    if handler.is_repeatable:
        _postpone(item, unknown, now=now)
        return
    settle(
        item,
        State.UNCERTAIN,
        now=now,
        code="outcome_unknown",
        reason=_("未收到明确答复：%(error)s") % {"error": unknown},
        due_at=now + (handler.first_look or reconciling.FIRST_CHECK),
    )


def _postpone(item: OutboxItem, trouble: Exception, *, now: datetime) -> None:
    """Certainly nothing happened: wait, longer each time, with full jitter."""
    wait = timedelta(seconds=min(2 ** min(item.attempts, 10), LONGEST_WAIT.total_seconds()))
    wait *= _dice.uniform(0.5, 1)
    if isinstance(trouble, RetryLater) and trouble.retry_after:
        wait = max(wait, timedelta(seconds=float(trouble.retry_after)))
    if isinstance(trouble, Misconfigured):
        wait = MISCONFIGURED_WAIT
    settle(
        item,
        State.WAITING,
        now=now,
        code=type(trouble).__name__,
        reason=str(trouble),
        due_at=now + max(wait, timedelta(seconds=1)),
    )


def _after_error(item: OutboxItem, error: Exception, *, now: datetime) -> None:
    """An error of ours: before the call it is tried again, during the call nobody knows."""
    fresh = OutboxItem.unsafe_all.filter(pk=item.pk, fence=item.fence).first()
    if fresh is None or fresh.is_final:
        return
    fresh.errors += 1
    words = f"{type(error).__name__}: {error}"[:512]
    if fresh.state == State.CALLING:
        settle(fresh, State.UNCERTAIN, now=now, code="error", reason=words, due_at=now)
    elif fresh.errors >= MAX_ERRORS:
        settle(fresh, State.PARKED, now=now, code="error", reason=words)
    else:
        later = now + timedelta(seconds=10 * fresh.errors)
        state = State.UNCERTAIN if fresh.state == State.UNCERTAIN else State.WAITING
        settle(fresh, state, now=now, code="error", reason=words, due_at=later)


def _changed(item: OutboxItem, now: datetime) -> None:
    handler = handler_of(item.kind)
    if handler is not None:
        handler.changed(item, now)
