"""Filling the coming days with drafts, and writing down what became of days that are over."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from crm.agents.actions import audit
from crm.agents.models import Agent
from crm.content.cards import title_of
from crm.content.models import Material, MaterialUse
from crm.content.variables import has_variables
from crm.moments.actions import draft_moment
from crm.moments.content import MomentContent
from crm.moments.drafting import USED_BY as MOMENT
from crm.moments.models import Moment, MomentTask
from crm.moments.schedule import instant_of
from crm.shared import faults
from crm.shared.errors import DomainError
from crm.shared.times import local_day
from crm.slots.choosing import Candidate, least_lately_used
from crm.slots.models import PostSlot, SlotDate
from crm.slots.pattern import HORIZON, Standing, dates_of, due_at, standing_of
from crm.tagging.models import AudienceTag

# Should nothing have run for long, days are opened so far back, so that they are seen as missed.
LOOK_BACK = timedelta(days=366)
Reason = SlotDate.Reason
_POSTS = (MOMENT, "send")  # Uses that customers read; copies by one agent are not.


def fill_slots(*, now: datetime) -> int:
    """Fill every slot; returns how many drafts were written."""
    live = PostSlot.objects.filter(is_archived=False).order_by("pk").values_list("pk", flat=True)
    return sum(fill_slot(slot_id, now=now) for slot_id in list(live))


@transaction.atomic
def fill_slot(slot_id: int, *, now: datetime) -> int:
    """Open the coming dates of one slot and draft a post for each that has none.

    Two at once come one after the other: the slot's row is locked before its dates are read.
    """
    slots = PostSlot.objects.filter(pk=slot_id, is_archived=False)
    if faults.guarded("slots.fill"):
        slots = slots.select_for_update()
    slot = slots.first()
    if slot is None:
        return 0
    last = local_day(now) + timedelta(days=HORIZON - 1)
    _open_dates(slot, last, now=now)
    rows = list(slot.dates.filter(moment=None, outcome="", due_at__gt=now, on__lte=last))
    filled = _Filler(slot, now).fill(rows) if rows else 0
    if filled:
        audit(None, "slot.fill", slot, now=now, drafts=filled)
    return filled


def _open_dates(slot: PostSlot, last: date, *, now: datetime) -> None:
    first = max(slot.since, local_day(now) - LOOK_BACK)
    known = set(slot.dates.filter(on__gte=first).values_list("on", flat=True))
    missing = [day for day in dates_of(slot.weekdays, first, last) if day not in known]
    SlotDate.objects.bulk_create(
        [SlotDate(slot=slot, on=day, due_at=due_at(day, slot.at, slot.zone)) for day in missing],
        ignore_conflicts=True,
    )


class _Filler:
    """One round of one slot: whom it is posted by, to whom, and what may still be used."""

    def __init__(self, slot: PostSlot, now: datetime) -> None:
        self.slot, self.now = slot, now
        self.face = slot.face
        active = self.face.members.filter(agent__status=Agent.Status.ACTIVE)
        self.sender_ids = tuple(active.order_by("agent_id").values_list("agent_id", flat=True))
        self.tag_ids = _tag_ids(slot)
        # Other slots may draw on the same pool: whoever holds its rows chooses first.
        self.pool = {one.pk: one for one in pool(slot).select_for_update().order_by("pk")}
        fit = [one for one in self.pool.values() if _is_fit(one)]
        self.candidates = _candidates(fit, slot.reuse_days)

    def fill(self, rows: list[SlotDate]) -> int:
        """Draft for each of these dates; those that stay empty say why."""
        filled = 0
        for row in sorted(rows, key=lambda row: row.on):
            reason = self._obstacle(row) or self._draft(row)
            filled += not reason
            if row.reason != reason or row.moment_id:
                row.reason = reason
                row.save(update_fields=["reason", "moment"])
        return filled

    def _obstacle(self, row: SlotDate) -> str:
        if self.face.is_archived:
            return Reason.NO_FACE
        if not self.sender_ids:
            return Reason.NO_AGENTS
        if not self.pool:
            return Reason.NO_POOL
        try:
            instant_of(datetime.combine(row.on, self.slot.at), self.slot.zone)
        except DomainError:
            return Reason.NO_TIME
        return ""

    def _draft(self, row: SlotDate) -> str:
        while self.candidates:
            chosen = least_lately_used(self.candidates, row.on)
            if chosen is None:
                some_good = any(one.is_good(row.on) for one in self.candidates)
                return Reason.RESTING if some_good else Reason.UNFIT
            try:
                with transaction.atomic():
                    content = self._content(row.on, self.pool[chosen.material_id])
                    row.moment = draft_moment(content=content, by=self.slot.kept_by, now=self.now)
            except DomainError:
                # It says what may not be said, or more than fits: not this one today.
                self.candidates.remove(chosen)
                continue
            chosen.uses[row.on] = self.slot.reuse_days
            return ""
        return Reason.UNFIT

    def _content(self, on: date, material: Material) -> MomentContent:
        return MomentContent(
            title=self.slot.name,
            publish_wall=datetime.combine(on, self.slot.at),
            zone=self.slot.zone,
            text=material.text,
            sender_ids=self.sender_ids,
            tag_ids=self.tag_ids,
            material_id=material.pk,
            picture=material.picture,
            link_url=material.link_url,
            link_title=title_of(material) if material.link_url else "",
        )


def pool(slot: PostSlot) -> QuerySet[Material]:
    """What a slot draws on: the company's materials of its topic, and those that were listed."""
    meant = Q(pk__in=slot.materials.values("pk"))
    if slot.topic:
        meant |= Q(topic=slot.topic)
    shared = Material.unsafe_all.filter(is_archived=False).exclude(tier=Material.Tier.PERSONAL)
    return shared.filter(meant)


def _is_fit(material: Material) -> bool:
    """Whether a post can be made of it alone: a link needs its cover, variables are for one."""
    return (
        bool(material.text.strip() or material.picture_id)
        and not material.app_id
        and material.kind != Material.Kind.ARTICLE  # Read under a link, which a slot does not make.
        and not (material.link_url and material.picture_id is None)
        and not has_variables(material.text)
    )


def _candidates(materials: list[Material], reuse_days: int) -> list[Candidate]:
    found = {
        one.pk: Candidate(
            material_id=one.pk,
            interval=max(reuse_days, one.reuse_days),
            expires_on=one.expires_on,
        )
        for one in materials
    }
    told = MaterialUse.objects.filter(material__in=materials, subject_type__in=_POSTS)
    uses = list(told.values_list("material_id", "used_at", "subject_type", "subject_id"))
    rests = _rests(number for *_use, kind, number in uses if kind == MOMENT)
    for material_id, used_at, kind, number in uses:
        known, day = found[material_id].uses, local_day(used_at)
        known[day] = max(known.get(day, 0), rests.get(number, 0) if kind == MOMENT else 0)
    return list(found.values())


def _rests(moment_ids: Iterable[int]) -> dict[int, int]:
    """How long the slots want to rest what they posted, by post."""
    rows = SlotDate.objects.filter(moment__in=list(moment_ids))
    return dict(rows.values_list("moment_id", "slot__reuse_days"))


def _tag_ids(slot: PostSlot) -> tuple[int, ...]:
    """WeCom narrows a post by tags: that of the face, or the one its audience carries."""
    if slot.face.tag_id:
        return (slot.face.tag_id,)
    carried = AudienceTag.unsafe_all.filter(
        audience=slot.face.audience_id, tag__is_deleted=False, tag__isnull=False
    )
    return tuple(carried.values_list("tag_id", flat=True))


def with_posts(rows: QuerySet[SlotDate]) -> QuerySet[SlotDate]:
    """Dates with what their standing is read from."""
    published = MomentTask.unsafe_all.filter(moment=OuterRef("moment_id"), is_published=True)
    return rows.select_related("moment").annotate(is_published=Exists(published))


def standing(row: SlotDate, *, now: datetime) -> Standing:
    """What a date of ``with_posts`` is."""
    post: Moment | None = row.moment
    return standing_of(
        outcome=row.outcome,
        due=row.due_at,
        state=post.state if post else None,
        publish_at=post.publish_at if post else None,
        is_published=row.is_published,
        now=now,
    )


def settle(*, now: datetime) -> int:
    """Write down which dates are missed or done; from then on they stay so."""
    over = Q(due_at__lte=now) | Q(moment__publish_at__lte=now)
    settled = 0
    for row in with_posts(SlotDate.objects.filter(over, outcome="")):
        said = standing(row, now=now)
        if said in (Standing.MISSED, Standing.DONE):
            still_open = SlotDate.objects.filter(pk=row.pk, outcome="")
            settled += still_open.update(outcome=said, settled_at=now)
    return settled
