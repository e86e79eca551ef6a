"""A corp tag for an audience: made at WeCom, put on its members and on nobody else, kept so.

WeCom narrows who sees a Moment by tags alone. The tag hangs on every living relation of a member
with an agent; the daily round catches new relations, and tags that somebody took off or put on.
"""

from datetime import datetime

from django.conf import settings
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from crm.agents.actions import audit
from crm.agents.models import User
from crm.audiences.models import Audience, AudienceMember
from crm.customers.models import Contact, Tag
from crm.jobs.actions import create_job
from crm.jobs.models import Job
from crm.jobs.progress import Progress
from crm.outbox import actions as outbox
from crm.outbox.actions import NewItem
from crm.outbox.models import OutboxItem
from crm.shared.text import clean_text
from crm.tagging.actions import CHUNK, TagsRefused, ask
from crm.tagging.models import AudienceTag, TagBatch, TagEdit
from crm.trials.models import Assignment
from crm.wecom.limits import limits

KIND = "corp_tag"


def group_name() -> str:
    """The group of these tags at WeCom, in the installation's language whoever asks."""
    with override(settings.LANGUAGE_CODE):
        return _("人群")


@transaction.atomic
def give_tag(*, audience: Audience, name: str, by: User, now: datetime) -> AudienceTag:
    """Have WeCom make a tag of this name, and put it on the members. Raises TagsRefused."""
    _alone()
    name = clean_text(name, limit=128)
    longest = limits().tag_name_ch
    if not name:
        raise TagsRefused(_("请为标签取一个名称"), field="name")
    if len(name) > longest:
        words = _("标签名最多 %(longest)s 个字，现在有 %(n)s 个")
        raise TagsRefused(words % {"longest": longest, "n": len(name)}, field="name")
    taken = Tag.objects.filter(group__name=group_name(), name=name, is_deleted=False)
    asked = AudienceTag.unsafe_all.filter(name=name, tag=None, reason="")
    if taken.exists() or asked.exists():
        words = _("标签组「%(group)s」里已经有「%(name)s」，请换一个名称")
        raise TagsRefused(words % {"group": group_name(), "name": name}, field="name")
    row = AudienceTag.unsafe_all.filter(audience=audience).first()
    if row is not None and row.stands:
        raise TagsRefused(_("这个人群已经有标签「%(name)s」") % {"name": row.name}, field="name")
    row = row or AudienceTag(audience=audience)
    row.name, row.tag, row.reason, row.asked_by = name, None, "", by
    row.save()
    outbox.enqueue(
        NewItem(
            kind=KIND,
            key=f"corp_tag:{row.pk}:{_asked_before(row)}",
            subject=row,
            title=_("新建标签「%(name)s」") % {"name": name},
            due_at=now,
            payload={"name": name},
        ),
        by=by,
    )
    audit(by, "audience.tag", audience, now=now, tag=name)
    return row


def _alone() -> None:
    """Until the transaction ends nobody else gives or moves a tag."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(hashtext('crm.audience_tags'))")


def _asked_before(row: AudienceTag) -> int:
    """How often a tag was asked for, so that asking again after a failure is a new item."""
    asked = OutboxItem.unsafe_all.filter(kind=KIND, subject_type="audiencetag", subject_id=row.pk)
    return asked.count()


@transaction.atomic
def follow(*, row: AudienceTag, audience: Audience, by: User, now: datetime) -> Job:
    """Let a tag follow another audience: put on the new members, taken off the others."""
    _alone()
    if row.tag_id is None or row.tag.is_deleted:
        raise TagsRefused(_("企业微信里没有这个标签，请先新建"), field="audience")
    if AudienceTag.unsafe_all.filter(audience=audience).exclude(pk=row.pk).exists():
        raise TagsRefused(
            _("人群「%(name)s」已经有自己的标签") % {"name": audience.name}, field="audience"
        )
    row.audience = audience
    row.save(update_fields=["audience", "updated_at"])
    audit(by, "audience.tag_follows", audience, now=now, tag=row.name)
    return start_keeping(row=row, by=by)


def start_keeping(*, row: AudienceTag, by: User | None) -> Job:
    """Queue the comparison of members and carriers."""
    return create_job(
        kind=Job.Kind.TAG,
        title=_("人群标签「%(name)s」") % {"name": row.name},
        by=by,
        params={"audience_tag_id": row.pk},
        page=reverse("crm:tagging:audience", args=[row.audience_id]),
    )


def _members(row: AudienceTag):
    """Who should carry the tag: the audience, less the controls of posts that are observed."""
    held = Assignment.unsafe_all.holding(row.audience_id, timezone.now()).values("customer_id")
    members = AudienceMember.objects.filter(audience=row.audience_id)
    return members.exclude(customer__in=held).values("customer_id")


def members_relations(row: AudienceTag):
    """Living relations of the audience's members, controls left out."""
    return Contact.unsafe_all.current().filter(customer__in=_members(row))


def strangers_relations(row: AudienceTag):
    """Living relations that carry the tag, or soon will, of customers who should not."""
    coming = TagEdit.unsafe_all.waiting().filter(tag=row.tag_id, is_wanted=True)
    carrying = Contact.tags.through.objects.filter(tag_id=row.tag_id)
    ids = carrying.values("contact_id").union(coming.values("contact_id"))
    return Contact.unsafe_all.current().filter(pk__in=ids).exclude(customer__in=_members(row))


def keep(row: AudienceTag, *, by: User | None, progress: Progress | None = None) -> int:
    """Wish the tag on members' relations and off all others; returns relations that change."""
    if row.tag_id is None or row.tag.is_deleted:
        return 0
    batch = TagBatch.unsafe_all.create(adds=[row.tag_id], created_by=by)
    changed, customers = 0, set()
    for relations, is_wanted in ((members_relations(row), True), (strangers_relations(row), False)):
        found = list(relations.order_by("pk").values_list("pk", "customer_id"))
        customers |= {customer for _pk, customer in found}
        ids = [pk for pk, _customer in found]
        for start in range(0, len(ids), CHUNK):
            if progress is not None:
                progress.check()
                progress.measured(start, len(ids))
            wishes = {row.tag_id: is_wanted}
            changed += ask(batch, ids[start : start + CHUNK], wishes, now=timezone.now())
    if not changed:
        batch.delete()
        batch = row.batch
    else:
        batch.customers = len(customers)
        batch.save(update_fields=["customers"])
    AudienceTag.unsafe_all.filter(pk=row.pk).update(kept_at=timezone.now(), batch=batch)
    return changed


def keep_all() -> int:
    """The daily round; returns relations that change."""
    rows = AudienceTag.unsafe_all.filter(tag__is_deleted=False).select_related("tag", "batch")
    return sum(keep(row, by=row.asked_by) for row in rows.order_by("pk"))


@transaction.atomic
def stop_following(*, row: AudienceTag, by: User, now: datetime) -> None:
    """Leave the tag as it is; nobody keeps it any more."""
    audit(by, "audience.tag_stopped", row.audience, now=now, tag=row.name)
    row.delete()
