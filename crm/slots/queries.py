"""Slots and their dates as pages show them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy

from crm.shared.paging import Page, keyset_page
from crm.shared.times import day_end, day_start, local_day
from crm.slots.filling import standing, with_posts
from crm.slots.models import PostSlot, SlotDate
from crm.slots.pattern import HORIZON, Standing, dates_of, due_at

Reason = SlotDate.Reason
LEVELS = {
    Standing.PLANNED: "brand",
    Standing.EMPTY: "warn",
    Standing.MISSED: "bad",
    Standing.DONE: "good",
}
WEEKDAYS = (
    *(gettext_lazy("周一"), gettext_lazy("周二"), gettext_lazy("周三"), gettext_lazy("周四")),
    *(gettext_lazy("周五"), gettext_lazy("周六"), gettext_lazy("周日")),
)


@dataclass(frozen=True)
class SlotDay:
    """One date of one slot. ``moment_at`` is when its post goes out, which may be another day."""

    slot_id: int
    name: str
    on: date
    due_at: datetime
    standing: Standing
    reason: str = ""
    moment_id: int | None = None
    moment_at: datetime | None = None

    @property
    def level(self) -> str:
        return LEVELS[self.standing]

    @property
    def words(self) -> str:
        """What it is, and where it is empty or missed for want of something, why."""
        label = str(self.standing.label)
        if not self.reason or self.standing not in (Standing.EMPTY, Standing.MISSED):
            return label
        return f"{label} · {Reason(self.reason).label}"

    @property
    def has_moved(self) -> bool:
        """Whether its post goes out on another day than its own."""
        return self.moment_at is not None and local_day(self.moment_at) != self.on


def slots(*, archived: bool = False, face_id: int = 0) -> QuerySet[PostSlot]:
    """All of one kind, of one face or of all."""
    rows = PostSlot.objects.filter(is_archived=archived).select_related("face", "kept_by__agent")
    return rows.filter(face=face_id) if face_id else rows


def slot_days(
    *, first: date, last: date, now: datetime, face_id: int = 0, slot_id: int = 0
) -> list[SlotDay]:
    """Dates of these days, and those whose posts moved into them; in two queries.

    Beyond the fourteen days that are filled ahead they are those of the pattern, still empty.
    """
    of = Q(slot__face=face_id) if face_id else Q()
    of &= Q(slot=slot_id) if slot_id else Q()
    begins, ends = day_start(first), day_end(last)
    here = Q(due_at__gte=begins, due_at__lt=ends)
    moved_here = Q(moment__publish_at__gte=begins, moment__publish_at__lt=ends)
    rows = with_posts(SlotDate.objects.filter(of).filter(here | moved_here)).select_related("slot")
    found = [_day(row, now=now) for row in rows]
    return found + _to_come(found, first, last, now=now, face_id=face_id, slot_id=slot_id)


def date_page(slot: PostSlot, *, params: Mapping[str, str], now: datetime) -> Page:
    """Its dates, latest first."""
    rows = with_posts(slot.dates.all()).select_related("slot")
    page = keyset_page(rows, order=("-on",), params=params)
    days = [_day(row, now=now) for row in page.rows]
    return Page(days, page.after, page.before, page.total, page.is_exact)


def coming(rows: Iterable[PostSlot], *, now: datetime) -> dict[int, dict[Standing, int]]:
    """How the coming fourteen days stand, by slot."""
    today = local_day(now)
    counts: dict[int, dict[Standing, int]] = defaultdict(lambda: dict.fromkeys(Standing, 0))
    last = today + timedelta(days=HORIZON - 1)
    for day in slot_days(first=today, last=last, now=now):
        if today <= day.on <= last:
            counts[day.slot_id][day.standing] += 1
    return {row.pk: counts[row.pk] for row in rows}


def _day(row: SlotDate, *, now: datetime) -> SlotDay:
    cancelled = row.moment is not None and row.moment.state == row.moment.State.CANCELLED
    return SlotDay(
        slot_id=row.slot_id,
        name=row.slot.name,
        on=row.on,
        due_at=row.due_at,
        standing=standing(row, now=now),
        reason=Reason.CANCELLED if cancelled else row.reason,
        moment_id=row.moment_id,
        moment_at=row.moment.publish_at if row.moment and not cancelled else None,
    )


def _to_come(
    found: list[SlotDay], first: date, last: date, *, now: datetime, face_id: int, slot_id: int
) -> list[SlotDay]:
    begins = max(first, local_day(now))
    if begins > last:
        return []
    known = {(day.slot_id, day.on) for day in found}
    live = slots(face_id=face_id)
    live = live.filter(pk=slot_id) if slot_id else live
    return [
        SlotDay(
            slot_id=slot.pk,
            name=slot.name,
            on=day,
            due_at=instant,
            standing=Standing.EMPTY,
            reason=Reason.NOT_YET,
        )
        for slot in live
        for day in dates_of(slot.weekdays, max(begins, slot.since), last)
        if (slot.pk, day) not in known and (instant := due_at(day, slot.at, slot.zone)) > now
    ]
