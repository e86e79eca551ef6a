"""How the outbox makes the tag of an audience at WeCom. A name that is there already is adopted."""

from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm import wecom
from crm.customers.models import Tag, TagGroup
from crm.outbox.models import OutboxItem
from crm.outbox.registry import Done, Handler, Refusal, Repeatable, register, register_scope
from crm.tagging.audience_tags import KIND, group_name, start_keeping
from crm.tagging.models import AudienceTag
from crm.wecom import Refused
from crm.wecom.records import TagGroupSeen

NAME_TAKEN = 40071


def check(item: OutboxItem, now: datetime) -> Refusal | None:
    """Somebody still wants it, under this name."""
    row = AudienceTag.unsafe_all.filter(pk=item.subject_id).first()
    if row is not None and row.tag_id is None and row.name == item.payload["name"]:
        return None
    return Refusal("not_wanted", _("这个人群标签已不再需要"))


def make(item: OutboxItem) -> Done:
    """Make it; after an unclear call, or where the name is taken, take what is there."""
    name, client = item.payload["name"], wecom.client()
    found = _there(client.corp_tags(), name) if item.attempts > 1 else None
    if found is None:
        try:
            found = client.create_corp_tags([name], group_name=group_name())
        except Refused as refused:
            if refused.code != NAME_TAKEN:
                raise
            found = _there(client.corp_tags(), name)
            if found is None:
                raise
    made = next(tag for tag in found.tags if tag.name == name)
    tag = {"id": made.wecom_id, "name": name, "order": made.order}
    group = {"id": found.wecom_id, "name": found.name, "order": found.order}
    return Done(remote_id=made.wecom_id, result={"tag": tag, "group": group})


def _there(catalogue: list[TagGroupSeen], name: str) -> TagGroupSeen | None:
    for group in catalogue:
        if group.name == group_name() and any(tag.name == name for tag in group.tags):
            return group
    return None


def changed(item: OutboxItem, now: datetime) -> None:
    """Once there, the members get it; where it cannot be made, the page says why."""
    state = OutboxItem.State
    row = AudienceTag.unsafe_all.filter(pk=item.subject_id, name=item.payload["name"]).first()
    if row is None:
        return
    if item.state == state.DONE:
        _hand_over(row, item)
    elif item.state in (state.FAILED, state.SKIPPED):
        AudienceTag.unsafe_all.filter(pk=row.pk).update(reason=item.reason[:255])


def _hand_over(row: AudienceTag, item: OutboxItem) -> None:
    """Whoever adopts an unclear item names the tag by its number alone."""
    if "tag" in item.result:
        tag = _known(item.result["group"], item.result["tag"])
    else:
        tag = Tag.objects.filter(wecom_id=item.remote_id, is_deleted=False).first()
    if tag is None:
        row.reason = _("没有编号为 %(id)s 的标签，请换一个名称新建") % {"id": item.remote_id}
    elif AudienceTag.unsafe_all.filter(tag=tag).exclude(pk=row.pk).exists():
        row.reason = _("标签「%(name)s」已属于另一个人群，请换一个名称") % {"name": tag.name}
    else:
        row.tag, row.reason = tag, ""
    row.save(update_fields=["tag", "reason", "updated_at"])
    if not row.reason:
        start_keeping(row=row, by=row.asked_by)


def _known(group: dict, tag: dict) -> Tag:
    """The rows of the catalogue, whoever learns of them first: this answer, a callback, a sync."""
    home, _new = TagGroup.objects.get_or_create(
        wecom_id=group["id"], defaults={"name": group["name"], "order": group["order"]}
    )
    row, _new = Tag.objects.update_or_create(
        wecom_id=tag["id"],
        defaults={"group": home, "name": tag["name"], "order": tag["order"], "is_deleted": False},
    )
    return row


register_scope("audiencetag", lambda user: AudienceTag.objects.for_user(user))
register(
    Handler(
        kind=KIND,
        label=gettext_lazy("新建标签"),
        check=check,
        call=make,
        reconcile=lambda item, now: Repeatable(_("同名的标签企业微信会拒绝第二次")),
        changed=changed,
        is_repeatable=True,
        disturbs=False,
    )
)
