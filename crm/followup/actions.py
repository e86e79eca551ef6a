"""Completing, putting off and skipping."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from crm.agents.actions import audit
from crm.agents.models import User
from crm.followup.models import FollowUp
from crm.shared.errors import DomainError
from crm.shared.text import clean_text

State = FollowUp.State
SNOOZE_DAYS = (1, 3, 7)


class FollowUpRefused(DomainError):
    """The follow-up cannot be ended that way."""


@transaction.atomic
def complete(*, item_id: int, by: User, now: datetime) -> FollowUp:
    """Somebody has turned to the customer."""
    return _end(item_id, State.DONE, by=by, now=now)


@transaction.atomic
def skip(*, item_id: int, reason: str, by: User, now: datetime) -> FollowUp:
    """It is better left; why is kept. Raises FollowUpRefused without a reason."""
    if not (reason := clean_text(reason, limit=255)):
        raise FollowUpRefused(_("请写明跳过的原因"), field="reason")
    return _end(item_id, State.SKIPPED, by=by, now=now, note=reason)


@transaction.atomic
def snooze(*, item_id: int, days: int, by: User, now: datetime) -> FollowUp:
    """Not now, but so many days on."""
    if days not in SNOOZE_DAYS:
        raise FollowUpRefused(_("请选择推迟的天数"), field="days")
    item = _open(item_id)
    item.snoozed_until = now + timedelta(days=days)
    item.save(update_fields=["snoozed_until"])
    audit(by, "followup.snooze", item, now=now, days=days)
    return item


def _end(item_id: int, state: str, *, by: User, now: datetime, note: str = "") -> FollowUp:
    item = _open(item_id)
    item.state, item.ended_at, item.ended_by, item.note = state, now, by, note
    item.save(update_fields=["state", "ended_at", "ended_by", "note"])
    audit(by, f"followup.{state}", item, now=now)
    return item


def _open(item_id: int) -> FollowUp:
    item = FollowUp.unsafe_all.select_for_update().get(pk=item_id)
    if item.state != State.OPEN:
        raise FollowUpRefused(_("这条跟进已经结束，请刷新"))
    return item
