"""The inbox: take a message by lease, apply it, and settle what became of it."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.utils import timezone

from crm.acquisition.actions import Greeting, queue_welcome
from crm.agents.actions import audit
from crm.agents.models import User
from crm.callbacks.leases import held
from crm.callbacks.models import InboxEvent
from crm.callbacks.receiving import Message, parse_message
from crm.callbacks.registry import UNKNOWN, handler_of, is_known
from crm.shared import faults
from crm.shared.leases import LEASE
from crm.wecom import NotReachable, OutcomeUnknown, RetryLater
from crm.wecom.errors import token_of

log = structlog.get_logger("crm.callbacks")

MAX_TRIES = 5
ROUND_SECONDS = 20
KEPT = timedelta(days=30)
LONGEST_DEFERRAL = timedelta(minutes=10)

Clock = Callable[[], datetime]


class LeaseLost(Exception):
    """Somebody else has taken the row in the meantime; what we did is rolled back."""


def greet(message: Message, *, now: datetime) -> bool:
    """Queue the welcome of a message that carries a code, once; True when it is new."""
    code = message.fields.get("WelcomeCode", "")
    if not code:
        return False
    greeting = Greeting(
        code=code[:128],
        userid=message.fields["UserID"],
        external_userid=message.fields["ExternalUserID"],
        state=message.fields.get("State", ""),
        happened_at=message.happened_at,
    )
    return queue_welcome(greeting, now=now)


def greet_kept(digest: bytes, *, now: datetime) -> bool:
    """The same for a message that the inbox holds."""
    event = InboxEvent.objects.get(digest=digest)
    return greet(parse_message(event.message.encode(), received_at=event.received_at), now=now)


def work_inbox(*, clock: Clock = timezone.now, limit: int = 500) -> int:
    """Work off due rows, oldest first, for a while; returns how many were taken."""
    taken, until = 0, time.monotonic() + ROUND_SECONDS
    while taken < limit and time.monotonic() < until:
        event = claim_event(now=clock())
        if event is None:
            break
        faults.point("callbacks.claimed")
        work_event(event, clock=clock)
        taken += 1
    return taken


def claim_event(*, now: datetime, event_id: int | None = None) -> InboxEvent | None:
    """Lease the next due row (or the named one), or None when nothing is due.

    The attempt is committed before the work begins, so that a row that kills its worker is seen to
    do so and is parked like any other poison.
    """
    while True:
        with transaction.atomic():
            rows = InboxEvent.objects.due(now)
            if event_id is not None:
                rows = rows.filter(pk=event_id)
            if faults.guarded("callbacks.claim"):
                rows = rows.select_for_update(skip_locked=True)
            else:
                rows = InboxEvent.objects.filter(pk=event_id)
            event = rows.order_by("next_try_at", "pk").first()
            if event is None:
                return None
            if event.attempts < MAX_TRIES:
                event.state, event.next_try_at = InboxEvent.State.LEASED, now + LEASE
                event.attempts, event.fence = event.attempts + 1, event.fence + 1
                event.save(update_fields=["state", "next_try_at", "attempts", "fence"])
                return event
            _park(event, "interrupted", now)


def work_event(event: InboxEvent, *, clock: Clock = timezone.now) -> None:
    """Ask WeCom about what the event names, apply the answer, and settle the row with it."""
    try:
        with held(event, clock):
            state, reason = _handle(event, clock)
    except LeaseLost:
        log.info("callback lease lost", inbox_id=event.pk)
    except (RetryLater, NotReachable, OutcomeUnknown) as error:
        _defer(event, error, clock())
    except Exception as error:
        # Whatever it was, it must not stop the queue: the row carries it, and five park the row.
        log.exception("callback failed", inbox_id=event.pk)
        _fail(event, error, clock())
    else:
        log.info("callback handled", inbox_id=event.pk, state=state, reason=reason)


def _handle(event: InboxEvent, clock: Clock) -> tuple[str, str]:
    message = parse_message(event.message.encode(), received_at=event.received_at)
    greet(message, now=clock())
    faults.point("callbacks.greeted")
    handle = handler_of(message)
    # The handler asks WeCom here, before any transaction is open.
    change = handle(message, clock()) if handle else None
    faults.point("callbacks.looked")
    with transaction.atomic():
        note = (change(clock()) if change else _unless_known(message)) or ""
        state = InboxEvent.State.DONE if change else InboxEvent.State.IGNORED
        _settle(event, state=state, reason=note[:255], finished_at=clock())
        faults.point("callbacks.before_settled")
    return state, note


def _unless_known(message: Message) -> str:
    return "" if is_known(message.event, message.change_type) else UNKNOWN


def _settle(event: InboxEvent, **values: object) -> None:
    mine = InboxEvent.objects.filter(pk=event.pk)
    if faults.guarded("callbacks.claim"):
        mine = mine.filter(state=InboxEvent.State.LEASED, fence=event.fence)
    if not mine.update(**values):
        raise LeaseLost


def _defer(event: InboxEvent, error: Exception, now: datetime) -> None:
    """WeCom cannot answer now. That says nothing about the event, so the attempt is given back."""
    wait = timedelta(seconds=min(5 * 2 ** min(event.deferrals, 10), 3600))
    wait = max(wait, timedelta(seconds=getattr(error, "retry_after", 0)))
    _settle_if_mine(
        event,
        state=InboxEvent.State.WAITING,
        attempts=event.attempts - 1,
        deferrals=event.deferrals + 1,
        next_try_at=now + min(wait, LONGEST_DEFERRAL),
        reason=token_of(error),
    )


def _fail(event: InboxEvent, error: Exception, now: datetime) -> None:
    reason = token_of(error)
    if event.attempts >= MAX_TRIES:
        _park(event, reason, now)
        return
    wait = timedelta(seconds=5 * 4 ** (event.attempts - 1))
    _settle_if_mine(event, state=InboxEvent.State.WAITING, next_try_at=now + wait, reason=reason)


def _park(event: InboxEvent, reason: str, now: datetime) -> None:
    log.error("callback parked", inbox_id=event.pk, reason=reason)
    values = {"state": InboxEvent.State.PARKED, "finished_at": now, "reason": reason[:255]}
    InboxEvent.objects.filter(pk=event.pk, fence=event.fence).update(**values)


def _settle_if_mine(event: InboxEvent, **values: object) -> None:
    InboxEvent.objects.filter(pk=event.pk, fence=event.fence).update(**values)


@transaction.atomic
def replay_event(*, event_id: int, by: User | None, now: datetime) -> bool:
    """Put a parked row back into the queue with fresh attempts."""
    parked = InboxEvent.objects.filter(pk=event_id, state=InboxEvent.State.PARKED)
    replayed = parked.update(
        state=InboxEvent.State.WAITING, attempts=0, next_try_at=now, finished_at=None
    )
    if replayed:
        audit(by, "callback.replay", InboxEvent.objects.get(pk=event_id), now=now)
    return bool(replayed)


@transaction.atomic
def replay_reason(*, reason: str, by: User | None, now: datetime) -> int:
    """Put every row that is parked for this reason back into the queue; returns how many."""
    parked = InboxEvent.objects.filter(state=InboxEvent.State.PARKED, reason=reason)
    replayed = sorted(parked.select_for_update(skip_locked=True).values_list("pk", flat=True))
    InboxEvent.objects.filter(pk__in=replayed).update(
        state=InboxEvent.State.WAITING, attempts=0, next_try_at=now, finished_at=None
    )
    if replayed:
        told = {"count": len(replayed), "first": replayed[0], "last": replayed[-1]}
        audit(by, "callback.replay_reason", reason=reason, now=now, **told)
    return len(replayed)


def forget_old_events(*, now: datetime | None = None) -> int:
    """Delete handled rows after 30 days; parked ones stay until a person has looked."""
    states = [InboxEvent.State.DONE, InboxEvent.State.IGNORED]
    old = InboxEvent.objects.filter(
        state__in=states, received_at__lt=(now or timezone.now()) - KEPT
    )
    return old.delete()[0]
