"""Queueing outward actions, taking them back, and what a person decides about unclear ones."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Model
from django.utils.translation import gettext as _

from crm.agents.actions import audit
from crm.agents.models import User
from crm.outbox.models import OutboxItem
from crm.outbox.settling import settle
from crm.shared.errors import DomainError
from crm.shared.text import clean_text

State = OutboxItem.State


class AlreadyOnItsWay(DomainError):
    """Too late to change an item: the call has begun or is over."""

    code = "on_its_way"


class NotParked(DomainError):
    """Only a parked item is a person's to decide."""

    code = "not_parked"


@dataclass(frozen=True)
class NewItem:
    """An outward action to queue. ``key`` names it for ever: the same key is queued once.

    ``is_urgent``: worth nothing after some seconds, so it goes before all others. ``is_patient``:
    may come by the ten thousand and gives way to all others.
    """

    kind: str
    key: str
    subject: Model
    due_at: datetime
    title: str = ""
    payload: dict[str, Any] = field(default_factory=dict)
    digest: str = ""
    give_up_at: datetime | None = None
    is_urgent: bool = False
    is_patient: bool = False


def enqueue(new: NewItem, *, by: User | None) -> OutboxItem:
    """Queue in the caller's transaction; a key that is known returns its item unchanged."""
    item, _created = OutboxItem.unsafe_all.get_or_create(
        key=new.key,
        defaults=_fields(new) | {"created_by": by},
    )
    return item


def enqueue_many(items: Sequence[NewItem], *, by: User | None) -> None:
    """Queue any number in the caller's transaction; keys that are known stay as they are."""
    OutboxItem.unsafe_all.bulk_create(
        (OutboxItem(key=new.key, created_by=by, **_fields(new)) for new in items),
        ignore_conflicts=True,
        batch_size=1000,
    )


def _fields(new: NewItem) -> dict[str, Any]:
    return {
        "kind": new.kind,
        "subject_type": new.subject._meta.model_name,
        "subject_id": new.subject.pk,
        "title": clean_text(new.title, limit=128),
        "payload": new.payload,
        "digest": new.digest,
        "due_at": new.due_at,
        "give_up_at": new.give_up_at,
        "is_urgent": new.is_urgent,
        "is_patient": new.is_patient,
    }


def withdraw(key: str, *, now: datetime, reason: str) -> bool:
    """Take an item back before its call; False when there is none.

    Raises AlreadyOnItsWay once a dispatcher has begun.
    """
    item = _locked(key)
    if item is None or item.is_final:
        return False
    if item.state != State.WAITING:
        raise AlreadyOnItsWay(_("发送已经开始，不能撤回"))
    return settle(item, State.SKIPPED, now=now, code="withdrawn", reason=reason)


def move(key: str, *, due_at: datetime, give_up_at: datetime | None = None) -> None:
    """Give a waiting item another time; raises AlreadyOnItsWay once a dispatcher has begun."""
    item = _locked(key)
    if item is None or item.state != State.WAITING:
        raise AlreadyOnItsWay(_("发送已经开始，不能改期"))
    item.due_at, item.give_up_at = due_at, give_up_at
    item.save(update_fields=["due_at", "give_up_at", "updated_at"])


@transaction.atomic
def reopen(key: str, *, now: datetime, reason: str) -> None:
    """Doubt an item that was called done: WeCom no longer knows the job that it promised."""
    item = _locked(key)
    if item is None or item.state != State.DONE:
        return
    item.checks, item.first_checked_at = 0, None
    settle(item, State.UNCERTAIN, now=now, code="job_lost", reason=reason, due_at=now)


@transaction.atomic
def adopt_item(
    *, item_id: int, remote_id: str, by: User, now: datetime, reason: str = ""
) -> OutboxItem:
    """A person says: it happened, and this is its number at WeCom."""
    item = _parked(item_id)
    remote_id = clean_text(remote_id, limit=128)
    if not remote_id:
        raise NotParked(_("请填写企业微信中的编号"), field="remote_id")
    audit(by, "outbox.adopt", item, now=now, reason=reason, remote_id=remote_id)
    settle(
        item,
        State.DONE,
        now=now,
        code="adopted",
        reason=_("由 %(name)s 确认已发送") % {"name": by.get_full_name()},
        remote_id=remote_id,
        result={"adopted": True},
    )
    return item


@transaction.atomic
def abandon_item(*, item_id: int, by: User, now: datetime, reason: str = "") -> OutboxItem:
    """A person says: it did not happen and shall not."""
    item = _parked(item_id)
    audit(by, "outbox.abandon", item, now=now, reason=reason)
    settle(
        item,
        State.FAILED,
        now=now,
        code="abandoned",
        reason=_("由 %(name)s 放弃") % {"name": by.get_full_name()},
    )
    return item


def _locked(key: str) -> OutboxItem | None:
    return OutboxItem.unsafe_all.select_for_update().filter(key=key).first()


def _parked(item_id: int) -> OutboxItem:
    item = OutboxItem.unsafe_all.select_for_update().get(pk=item_id)
    if item.state != State.PARKED:
        raise NotParked(_("这一项已有结论，无需处理"))
    return item
