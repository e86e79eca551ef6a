"""Writing slots, laying them aside and taking them up again."""

from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from crm.agents.actions import audit
from crm.agents.models import User
from crm.content.models import Material
from crm.faces.models import Face
from crm.shared.errors import DomainError
from crm.shared.text import clean_text
from crm.slots.models import PostSlot
from crm.slots.pattern import first_day

NAME_CHARS, MOST_DAYS = 32, 365


class SlotRefused(DomainError):
    """A slot cannot be kept as it was written."""

    code = "slot_refused"


class StaleSlot(DomainError):
    """Somebody else changed it in the meantime; views answer 409."""

    code = "stale"


@dataclass(frozen=True)
class SlotContent:
    """A slot as a person writes it; Monday is 0."""

    name: str
    face: Face
    weekdays: tuple[int, ...]
    at: time
    reuse_days: int
    topic: str = ""
    materials: tuple[Material, ...] = ()


@transaction.atomic
def save_slot(
    *, content: SlotContent, by: User, now: datetime, slot: PostSlot | None = None, version: int = 0
) -> PostSlot:
    """Write a new one or change one; raises SlotRefused naming the field, or StaleSlot.

    Drafts that stand keep their day and their words; what is still empty is filled anew.
    """
    _refuse_unfit(content)
    row = _locked(slot, version) if slot else PostSlot(version=0, zone=settings.CORP_TIME_ZONE)
    before = _told(row) if slot else {}
    weekdays = sorted(set(content.weekdays))
    if (row.weekdays, row.at) != (weekdays, content.at):
        row.since = first_day(content.at, row.zone, now=now)
    row.name, row.topic = clean_text(content.name), clean_text(content.topic, limit=32)
    row.face, row.weekdays, row.at = content.face, weekdays, content.at
    row.reuse_days, row.kept_by = content.reuse_days, by
    row.version += 1
    row.save()
    row.materials.set(content.materials)
    _drop_empty(row, now=now)
    audit(by, "slot.save", row, now=now, before=before, after=_told(row))
    return row


@transaction.atomic
def archive_slot(*, slot: PostSlot, version: int, by: User, now: datetime) -> None:
    """Nothing is drafted for it any more; drafts that stand stay, and so does its past."""
    row = _locked(slot, version)
    row.is_archived = True
    row.version += 1
    row.save()
    _drop_empty(row, now=now)
    audit(by, "slot.archive", row, now=now)


@transaction.atomic
def restore_slot(*, slot: PostSlot, version: int, by: User, now: datetime) -> None:
    """Its pattern counts again from now on; the days in between were not its own."""
    row = _locked(slot, version)
    row.is_archived, row.kept_by = False, by
    row.since = first_day(row.at, row.zone, now=now)
    row.version += 1
    row.save()
    audit(by, "slot.restore", row, now=now)


def _drop_empty(row: PostSlot, *, now: datetime) -> None:
    row.dates.filter(moment=None, outcome="", due_at__gt=now).delete()


def _locked(slot: PostSlot, version: int) -> PostSlot:
    row = PostSlot.objects.select_for_update().get(pk=slot.pk)
    if row.version != version:
        raise StaleSlot(_("别人刚刚改过这个栏目，请刷新后再改"))
    return row


def _refuse_unfit(content: SlotContent) -> None:
    if not clean_text(content.name):
        raise SlotRefused(_("请填写名称，例如：早安问候"), field="name")
    if len(content.name) > NAME_CHARS:
        raise SlotRefused(_("名称最多 %(n)s 字") % {"n": NAME_CHARS}, field="name")
    if content.face.is_archived:
        raise SlotRefused(_("这个人设客服已归档，请另选或先恢复它"), field="face")
    if not content.weekdays or not set(content.weekdays) <= set(range(7)):
        raise SlotRefused(_("请至少选一天：星期一到星期日"), field="weekdays")
    if not 1 <= content.reuse_days <= MOST_DAYS:
        raise SlotRefused(_("间隔为 1 到 %(n)s 天") % {"n": MOST_DAYS}, field="reuse_days")
    if not clean_text(content.topic) and not content.materials:
        raise SlotRefused(_("请填写素材主题，或列出素材"), field="topic")


def _told(row: PostSlot) -> dict[str, Any]:
    return {
        "name": row.name,
        "face": row.face_id,
        "weekdays": list(row.weekdays),
        "at": f"{row.at:%H:%M}",
        "topic": row.topic,
        "materials": sorted(row.materials.values_list("pk", flat=True)),
        "reuse_days": row.reuse_days,
    }
