"""Writing materials, granting gold, and using them."""

from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from crm.agents.access import Permission
from crm.agents.actions import audit
from crm.agents.models import User
from crm.catalog.models import Route
from crm.content.blocks import Block, blocks_of, keep_blocks, said_of
from crm.content.cards import title_of
from crm.content.linting import findings_of, sensitive
from crm.content.models import SAID, Material, MaterialPicture, MaterialUse, MaterialVersion
from crm.content.requirements import refuse_gaps
from crm.customers.models import Customer
from crm.shared.errors import DomainError
from crm.shared.formatting import day as day_words
from crm.shared.text import clean_text
from crm.shared.times import local_day

Kind, Tier = Material.Kind, Material.Tier


class MaterialRefused(DomainError):
    """A material cannot be kept or used like that."""

    code = "material_refused"


@dataclass(frozen=True)
class MaterialContent:
    """Everything that a person fills in."""

    kind: str
    tier: str
    title: str
    topic: str = ""
    text: str = ""
    link_url: str = ""
    link_title: str = ""
    expires_on: date | None = None
    reuse_days: int = 0
    route: Route | None = None
    price_cents: int | None = None
    drive_minutes: int | None = None
    walk_metres: int | None = None
    room: str = ""
    picture: MaterialPicture | None = None
    app_id: str = ""
    app_page: str = ""
    blocks: tuple[Block, ...] = ()


@transaction.atomic
def write(
    *,
    material: Material | None,
    content: MaterialContent,
    by: User,
    now: datetime,
    version: int = 0,
) -> Material:
    """A new material, or a new version of one; raises MaterialRefused naming the field.

    ``version`` is the one that the editor saw. An edit takes gold away until it is granted anew.
    """
    _refuse_unfit(content, by)
    row = Material(owner=by)
    if material is not None:
        row = Material.unsafe_all.select_for_update().get(pk=material.pk)
        if version != row.version:
            raise MaterialRefused(_("别人刚刚改过这份素材，请刷新后再改"))
        if not may_edit(by, row):
            raise MaterialRefused(_("只有作者和运营可以修改"))
    was = {name: getattr(row, name) for name in SAID}
    had = blocks_of(row) if row.pk else ()
    is_gold, was_kind = row.tier == Tier.GOLD, (row.kind, row.title)
    for name, value in vars(content).items():
        if name not in ("tier", "blocks"):
            setattr(row, name, value)
    is_new = row.pk is None or had != content.blocks
    is_new = is_new or any(was[name] != getattr(row, name) for name in SAID)
    if is_new or was_kind != (row.kind, row.title):  # Gold and its proposal were for what stood.
        row.proposed_at = None
        if is_gold:
            row.approved_by = row.approved_at = None
        is_gold = False
    if not is_gold:
        row.tier = content.tier
    if is_new and row.pk:
        row.version += 1
    row.save()
    if is_new:
        saved = row.versions.create(
            number=row.version,
            saved_by=by,
            saved_at=now,
            **{name: getattr(row, name) for name in SAID},
        )
        keep_blocks(saved, content.blocks)
    audit(by, "content.write", row, now=now, version=row.version)
    return row


def _refuse_unfit(content: MaterialContent, by: User) -> None:
    if not clean_text(content.title):
        raise MaterialRefused(_("请填写名称，便于在列表中辨认"), field="title")
    if content.tier == Tier.GOLD:
        raise MaterialRefused(_("金牌须由另一位同事评定"), field="tier")
    may_edit_all = by.can(Permission.CONTENT_EDIT) or by.can(Permission.API_CONTENT)
    if content.tier == Tier.COMPANY and not may_edit_all:
        raise MaterialRefused(_("您可以写个人话术，公司素材由运营维护"), field="tier")
    if content.tier == Tier.PERSONAL and content.kind != Kind.SCRIPT:
        raise MaterialRefused(_("只有话术分个人和公司"), field="tier")
    for finding in findings_of(content):
        if finding.level == "bad":
            raise MaterialRefused(finding.words, field=finding.field)


def may_edit(user: User, material: Material) -> bool:
    """The author, and for what is the company's whoever edits content."""
    return material.owner_id == user.pk or (
        material.tier != Tier.PERSONAL and user.can(Permission.CONTENT_EDIT)
    )


@transaction.atomic
def archive(*, material: Material, by: User, now: datetime) -> None:
    """Take it out of the lists; what used it stays."""
    if not may_edit(by, material):
        raise MaterialRefused(_("只有作者和运营可以归档"))
    Material.unsafe_all.filter(pk=material.pk).update(is_archived=True, proposed_at=None)
    audit(by, "content.archive", material, now=now)


@transaction.atomic
def restore(*, material: Material, by: User, now: datetime) -> None:
    """Bring it back into the lists."""
    if not may_edit(by, material):
        raise MaterialRefused(_("只有作者和运营可以修改"))
    Material.unsafe_all.filter(pk=material.pk).update(is_archived=False)
    audit(by, "content.restore", material, now=now)


@transaction.atomic
def propose_gold(*, material: Material, by: User, now: datetime) -> None:
    """Ask that a script be shown to everybody as gold, under its author's name."""
    rows = Material.unsafe_all.filter(pk=material.pk, kind=Kind.SCRIPT, is_archived=False)
    rows = rows.filter(proposed_at=None).exclude(tier=Tier.GOLD)
    if not rows.update(proposed_at=now):
        raise MaterialRefused(_("只有话术可以申请金牌，且只需申请一次"))
    audit(by, "content.propose", material, now=now)


@transaction.atomic
def grant_gold(*, material: Material, version: int, by: User, now: datetime) -> None:
    """Another person than the author grants the version they saw; raises MaterialRefused."""
    row = Material.unsafe_all.select_for_update().get(pk=material.pk)
    if row.proposed_at is None:
        raise MaterialRefused(_("还没有人为它申请金牌"))
    if version != row.version:
        raise MaterialRefused(_("作者刚刚改过这份话术，请看过新的内容再评定"))
    if row.kind != Kind.SCRIPT or row.is_archived:
        raise MaterialRefused(_("只有没有归档的话术可以评为金牌"))
    if row.owner_id == by.pk or not by.can(Permission.CONTENT_APPROVE):
        raise MaterialRefused(_("金牌须由另一位同事评定"))
    row.tier, row.approved_by, row.approved_at, row.proposed_at = Tier.GOLD, by, now, None
    row.save(update_fields=["tier", "approved_by", "approved_at", "proposed_at", "updated_at"])
    audit(by, "content.gold", row, now=now, author=row.owner_id)


def use(
    *,
    material: Material,
    subject_type: str,
    by: User,
    now: datetime,
    subject_id: int | None = None,
    at: datetime | None = None,
    readers: QuerySet[Customer] | None = None,
) -> MaterialUse:
    """Note that it is used, in the caller's transaction; raises MaterialRefused where it may not.

    ``at`` is when people will read it, and ``readers`` are who: a product card that does not tell
    such people what it must raises FactsLacking. A subject that is named has one use, which moves
    with it. Its row stays locked: two who plan with it at once look one after the other for whom
    it went to.
    """
    at = at or now
    material = Material.unsafe_all.select_for_update().get(pk=material.pk)
    if material.is_archived:
        raise MaterialRefused(_("这份素材已归档"), field="material")
    if material.expires_on and local_day(at) > material.expires_on:
        shown = {"day": day_words(material.expires_on)}
        raise MaterialRefused(_("这份素材的有效期到 %(day)s 为止") % shown, field="material")
    said = {"text": material.text, "link_title": title_of(material), "room": material.room}
    for finding in sensitive(said | said_of(material)):
        raise MaterialRefused(finding.words, field="material")
    if readers is not None:
        refuse_gaps(material, readers, at=at)
    taken = {"material": material, "version": material.version, "used_by": by}
    named = {"subject_type": subject_type, "subject_id": subject_id}
    if subject_id is None:
        return MaterialUse.objects.create(used_at=at, **taken, **named)
    row = MaterialUse.objects.filter(**named).first()
    # Whoever goes on with the same material goes on with the words that were taken then.
    changed = {"used_at": at} | ({} if row and row.material_id == material.pk else taken)
    return MaterialUse.objects.update_or_create(**named, defaults=changed)[0]


def drop_use(*, subject_type: str, subject_id: int) -> None:
    """What was to use a material does so no more."""
    MaterialUse.objects.filter(subject_type=subject_type, subject_id=subject_id).delete()


@transaction.atomic
def use_once(
    *,
    material: Material,
    by: User,
    now: datetime,
    readers: QuerySet[Customer] | None = None,
) -> MaterialUse:
    """Somebody copied a script, for one customer where ``readers`` says whom."""
    return use(material=material, subject_type="copy", by=by, now=now, readers=readers)


def versions_of(material: Material) -> list[MaterialVersion]:
    """Newest first."""
    return list(material.versions.select_related("saved_by__agent"))
