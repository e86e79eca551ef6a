"""The touch arbiter (触达仲裁): every outward call asks it, and it leaves a row either way."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction

from crm.outbox.models import OutboxItem, PlatformQuota, QuietHours, TouchDecision
from crm.outbox.registry import Demand, Handler
from crm.outbox.slots import next_free, reserve

NO_RULE = "none"


@dataclass(frozen=True)
class Verdict:
    """Yes, not before ``retry_at``, or (``retry_at`` None) no."""

    is_allowed: bool
    rule: str = NO_RULE
    version: int = 0
    retry_at: datetime | None = None
    details: dict[str, Any] = field(default_factory=dict)


def decide(item: OutboxItem, handler: Handler, *, now: datetime) -> TouchDecision:
    """Judge an item in the caller's transaction; slots are kept only with a yes."""
    try:
        with transaction.atomic():
            verdict = _judge(item, handler, now)
            if not verdict.is_allowed:
                raise _Refused(verdict)
    except _Refused as refused:
        verdict = refused.verdict
    return TouchDecision.objects.create(
        item=item,
        at=now,
        is_allowed=verdict.is_allowed,
        rule=verdict.rule,
        rule_version=verdict.version,
        retry_at=verdict.retry_at,
        details=verdict.details,
    )


class _Refused(Exception):
    """Carries a no out of the savepoint, so that slots taken on the way are given back."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.rule)
        self.verdict = verdict


def _judge(item: OutboxItem, handler: Handler, now: datetime) -> Verdict:
    if quiet := quiet_until(item.kind, now=now):
        rule, until = quiet
        return Verdict(False, rule.code, rule.version, until)
    quotas, passed = PlatformQuota.in_force(now), []
    for demand in handler.demands(item):
        quota = quotas.get(demand.code)
        if quota is None or not demand.subjects:
            continue
        granted = reserve(quota, demand.subjects, item=item, now=now)
        seen = {"rule": quota.code, "version": quota.version, "granted": len(granted)}
        seen["wanted"] = len(demand.subjects)
        if (refusal := _refusal(demand, quota, granted, now)) is not None:
            return Verdict(False, quota.code, quota.version, refusal.retry_at, {"quota": seen})
        passed.append(seen)
    if not passed:
        return Verdict(True)
    return Verdict(True, passed[0]["rule"], passed[0]["version"], None, {"quotas": passed})


def _refusal(
    demand: Demand, quota: PlatformQuota, granted: set[str], now: datetime
) -> Verdict | None:
    if demand.every and len(granted) < len(demand.subjects):
        left = sorted(set(demand.subjects) - granted)
        return Verdict(False, retry_at=next_free(quota, left, now=now))
    return None if granted else Verdict(False)


@dataclass(frozen=True)
class PutOff:
    """What quiet hours make of a plan: by which rule it waits until when, perhaps for too long."""

    rule: QuietHours
    until: datetime
    is_too_late: bool


def put_off(kind: str, *, at: datetime, latest: timedelta) -> PutOff | None:
    """How an action planned for ``at`` waits; None where it goes out then.

    Quiet hours may begin where others end, so the instant is asked about again. What cannot go out
    within ``latest`` is given up.
    """
    first, until = None, at
    while until < at + latest and (quiet := quiet_until(kind, now=until)):
        rule, until = quiet
        first = first or rule
    return PutOff(first, until, until >= at + latest) if first else None


def quiet_until(kind: str, *, now: datetime) -> tuple[QuietHours, datetime] | None:
    """The quiet hours that ``now`` falls into for this kind of action, and their end."""
    for rule in QuietHours.in_force(now).values():
        if not rule.holds(kind):
            continue
        local = now.astimezone(ZoneInfo(rule.zone))
        over_midnight = rule.ends <= rule.starts
        clock = local.time().replace(tzinfo=None)
        inside = (
            clock >= rule.starts or clock < rule.ends
            if over_midnight
            else rule.starts <= clock < rule.ends
        )
        if inside:
            end = datetime.combine(local.date(), rule.ends, local.tzinfo)
            if end <= local:
                end += timedelta(days=1)
            return rule, end.astimezone(now.tzinfo)
    return None
