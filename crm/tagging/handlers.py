"""How the outbox writes tags at WeCom: what is wished now, and nothing that is there already."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm import wecom
from crm.customers import actions as customers
from crm.customers.models import Contact
from crm.outbox.models import OutboxItem
from crm.outbox.registry import (
    Done,
    Handler,
    NotNeeded,
    Refusal,
    Repeatable,
    register,
    register_scope,
)
from crm.tagging.actions import KIND, fail_edits, settle_edits
from crm.tagging.models import TagBatch, TagEdit
from crm.wecom import Refused

TAG_GONE = 40068
NOTHING_OPEN = "settled"


def check(item: OutboxItem, now: datetime) -> Refusal | None:
    """Tags hang on a living relation."""
    contact = Contact.unsafe_all.get(pk=item.payload["contact"])
    if contact.status == Contact.Status.ACTIVE:
        return None
    return Refusal("ended", _("已不是好友，标签无处可挂"))


def send(item: OutboxItem) -> Done:
    """Bring the relation to what is wished by now; after an unclear call, look before writing."""
    contact = Contact.unsafe_all.select_related("agent", "customer").get(pk=item.payload["contact"])
    wishes = _open_wishes(contact)
    if not wishes:
        raise NotNeeded(NOTHING_OPEN, _("已随另一次修改写入"))
    looks = item.attempts > 1 or bool(item.payload.get("again"))
    try:
        _write(contact, wishes, looks=looks)
    except Refused as refused:
        if refused.code != TAG_GONE:
            raise
        _learn_what_is_gone()
        wishes = _open_wishes(contact)
        _write(contact, wishes, looks=looks)
    gone = [edit.pk for edit in wishes if edit.tag.is_deleted]
    return Done(result={"sent": {str(edit.pk): edit.version for edit in wishes}, "gone": gone})


def _open_wishes(contact: Contact) -> list[TagEdit]:
    open_ = TagEdit.unsafe_all.waiting().filter(contact=contact)
    return list(open_.select_related("tag").order_by("pk"))


def _write(contact: Contact, wishes: Sequence[TagEdit], *, looks: bool) -> None:
    there = [edit for edit in wishes if not edit.tag.is_deleted]
    add = {edit.tag.wecom_id for edit in there if edit.is_wanted}
    remove = {edit.tag.wecom_id for edit in there if not edit.is_wanted}
    if looks:
        carried = _carried(contact)
        add, remove = add - carried, remove & carried
    if add or remove:
        wecom.client().mark_tags(
            userid=contact.agent.userid,
            external_userid=contact.customer.external_userid,
            add=sorted(add),
            remove=sorted(remove),
        )


def _carried(contact: Contact) -> set[str]:
    seen = wecom.client().contact(contact.customer.external_userid)
    return {
        tag_id
        for relation in seen.relations
        if relation.userid == contact.agent.userid
        for tag_id in relation.tag_ids
    }


def _learn_what_is_gone() -> None:
    """The catalogue comes whole in one answer; what it lacks is switched off here."""
    asked_at = timezone.now()
    catalogue = wecom.client().corp_tags()
    with transaction.atomic():
        customers.apply_tags(catalogue, asked_at=asked_at, now=timezone.now())


def changed(item: OutboxItem, now: datetime) -> None:
    """The wishes follow the item that carried them."""
    state, contact_id = OutboxItem.State, item.payload["contact"]
    if item.state == state.DONE:
        sent = {int(pk): version for pk, version in item.result.get("sent", {}).items()}
        settle_edits(contact_id, sent, item.result.get("gone", ()), item_id=item.pk, now=now)
    elif item.state in (state.FAILED, state.SKIPPED) and item.reason_code != NOTHING_OPEN:
        fail_edits(contact_id, reason=item.reason)


register_scope(
    "tagbatch",
    lambda user: TagBatch.objects.for_user(user),
    page=lambda pk: reverse("crm:tagging:batch", args=[pk]),
)
register(
    Handler(
        kind=KIND,
        label=gettext_lazy("写标签"),
        check=check,
        call=send,
        reconcile=lambda item, now: Repeatable(""),
        changed=changed,
        is_repeatable=True,
        disturbs=False,
    )
)
