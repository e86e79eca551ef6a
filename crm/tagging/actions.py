"""Asking for tags on relations, taking a batch back, and what follows from WeCom's answers."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.db import connection, transaction
from django.utils.translation import gettext as _

from crm.agents.actions import audit
from crm.agents.models import Agent, User
from crm.customers import actions as customers
from crm.customers.models import Contact, Tag
from crm.outbox import actions as outbox
from crm.outbox.actions import NewItem
from crm.shared import faults
from crm.shared.errors import DomainError
from crm.tagging.models import TagBatch, TagEdit

KIND = "tag"
CHUNK = 2000
State = TagEdit.State

# What a relation carries by now: the wish that is on its way, or else what WeCom has. In the order
# of ids, so that two editors wait for one another instead of locking each other out.
_ASK = """
with asked as (
    select c.contact_id, t.tag_id, t.is_wanted
    from unnest(%(contacts)s::bigint[]) as c(contact_id)
    cross join unnest(%(tags)s::bigint[], %(wanted)s::boolean[]) as t(tag_id, is_wanted)
), changing as (
    select a.*
    from asked a
    left join crm_tagedit e
        on e.contact_id = a.contact_id and e.tag_id = a.tag_id and e.state = 'waiting'
    left join crm_contact_tags link
        on link.contact_id = a.contact_id and link.tag_id = a.tag_id
    where coalesce(e.is_wanted, link.id is not null) <> a.is_wanted
), noted as (
    insert into crm_tagchange (batch_id, contact_id, tag_id, is_on)
    select %(batch)s, contact_id, tag_id, is_wanted from changing
)
insert into crm_tagedit
    (contact_id, tag_id, is_wanted, version, state, reason, batch_id, created_at, updated_at)
select contact_id, tag_id, is_wanted, 1, 'waiting', '', %(batch)s, %(now)s, %(now)s
from changing
order by contact_id, tag_id
on conflict (contact_id, tag_id) do update
set is_wanted = excluded.is_wanted, version = crm_tagedit.version + 1, state = 'waiting',
    reason = '', batch_id = excluded.batch_id, updated_at = excluded.updated_at
returning contact_id
"""

# Only where nobody has wished something else since.
_INVERSE = """
select change.contact_id, change.tag_id, not change.is_on
from crm_tagchange change
join crm_tagedit e on e.contact_id = change.contact_id and e.tag_id = change.tag_id
where change.batch_id = %s and e.batch_id = change.batch_id
order by change.contact_id, change.tag_id
"""


class TagsRefused(DomainError):
    """These tags cannot be put on or taken off."""

    code = "tags_refused"


def check_tags(adds: Sequence[Tag], removes: Sequence[Tag]) -> None:
    """Refuse what contradicts itself, asks for nothing, or names tags that are gone."""
    if not adds and not removes:
        raise TagsRefused(_("请至少选择一个标签"), field="add")
    if both := {tag.pk for tag in adds} & {tag.pk for tag in removes}:
        names = "、".join(tag.name for tag in adds if tag.pk in both)
        raise TagsRefused(_("“%(names)s”不能同时加上和取下") % {"names": names}, field="remove")
    named = [tag.pk for tag in [*adds, *removes]]
    gone = Tag.objects.filter(pk__in=named, is_deleted=True).values_list("name", flat=True)
    if gone:
        words = _("标签“%(names)s”已在企业微信删除，请重新选择")
        raise TagsRefused(words % {"names": "、".join(gone)}, field="add")


@transaction.atomic
def tag_contacts(
    *,
    contacts: Iterable[Contact],
    adds: Sequence[Tag] = (),
    removes: Sequence[Tag] = (),
    by: User | None,
    now: datetime,
) -> TagBatch:
    """Put tags on these relations and take others off; WeCom hears of it within seconds.

    The caller has narrowed ``contacts`` to the actor's scope. Raises TagsRefused.
    """
    check_tags(adds, removes)
    batch = TagBatch.unsafe_all.create(
        adds=[tag.pk for tag in adds], removes=[tag.pk for tag in removes], created_by=by
    )
    wishes = {tag.pk: True for tag in adds} | {tag.pk: False for tag in removes}
    ids = [contact.pk for contact in contacts]
    ask(batch, ids, wishes, now=now)
    customers_meant = set(
        Contact.unsafe_all.filter(pk__in=ids).values_list("customer_id", flat=True)
    )
    batch.customers = len(customers_meant)
    batch.save(update_fields=["customers"])
    audit(by, "tags.edit", batch, now=now, adds=batch.adds, removes=batch.removes, n=len(ids))
    return batch


def ask(
    batch: TagBatch, contact_ids: Sequence[int], wishes: Mapping[int, bool], *, now: datetime
) -> int:
    """Write the wishes (tag → wanted) for these relations; returns the relations that change."""
    values = {
        "contacts": list(contact_ids),
        "tags": list(wishes),
        "wanted": list(wishes.values()),
        "batch": batch.pk,
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(_ASK, values)
        changing = sorted({contact_id for (contact_id,) in cursor.fetchall()})
    _enqueue(batch, changing, now)
    return len(changing)


def _enqueue(batch: TagBatch, contact_ids: Sequence[int], now: datetime) -> None:
    named = Contact.unsafe_all.filter(pk__in=contact_ids).values_list(
        "pk", "customer__name", "agent__name"
    )
    outbox.enqueue_many(
        [
            NewItem(
                kind=KIND,
                key=f"tag:{batch.pk}:{pk}",
                subject=batch,
                title=f"{customer} · {agent}",
                due_at=now,
                payload={"contact": pk},
                is_patient=True,
            )
            for pk, customer, agent in named.order_by("pk")
        ],
        by=batch.created_by,
    )


@transaction.atomic
def undo_batch(*, batch_id: int, by: User, now: datetime) -> TagBatch:
    """Wish the opposite of what a batch changed, where nobody has wished anything since.

    Raises TagsRefused when it was undone already or nothing of it is left.
    """
    batch = TagBatch.unsafe_all.select_for_update().get(pk=batch_id)
    if TagBatch.unsafe_all.filter(undoes=batch).exists():
        raise TagsRefused(_("这一次打标签已经撤销过了"))
    with connection.cursor() as cursor:
        cursor.execute(_INVERSE, [batch.pk])
        inverse = cursor.fetchall()
    if not inverse:
        raise TagsRefused(_("没有可撤销的：这些标签后来都又改过"))
    undo = TagBatch.unsafe_all.create(
        adds=batch.removes,
        removes=batch.adds,
        customers=batch.customers,
        undoes=batch,
        created_by=by,
    )
    alike: dict[tuple[tuple[int, bool], ...], list[int]] = {}
    wishes: dict[int, list[tuple[int, bool]]] = {}
    for contact_id, tag_id, wanted in inverse:
        wishes.setdefault(contact_id, []).append((tag_id, wanted))
    for contact_id, wish in wishes.items():
        alike.setdefault(tuple(wish), []).append(contact_id)
    for wish, contact_ids in alike.items():
        for start in range(0, len(contact_ids), CHUNK):
            ask(undo, contact_ids[start : start + CHUNK], dict(wish), now=now)
    audit(by, "tags.undo", undo, now=now, batch=batch.pk, n=len(wishes))
    return undo


def settle_edits(
    contact_id: int, sent: Mapping[int, int], gone: Sequence[int], *, item_id: int, now: datetime
) -> None:
    """WeCom took the edits ``sent`` (id → version), except those whose tag is ``gone``.

    A wish of another version was changed meanwhile, and the call may have written over it: it is
    open again, also if a faster call had settled it.
    """
    customers.one_writer()
    edits = list(TagEdit.unsafe_all.select_for_update().filter(contact_id=contact_id, pk__in=sent))
    current = [edit for edit in edits if edit.version == sent[edit.pk]]
    for edit in current:
        edit.state, edit.reason = State.SETTLED, ""
        if edit.pk in gone and edit.is_wanted:
            edit.state, edit.reason = State.FAILED, _("标签已在企业微信删除")
    overtaken = [edit for edit in edits if edit not in current]
    if not faults.guarded("tagging.last_word"):
        overtaken = []
    for edit in overtaken:
        edit.state = State.WAITING
    TagEdit.unsafe_all.bulk_update([*current, *overtaken], ["state", "reason"])
    settled = [edit for edit in current if edit.state == State.SETTLED]
    customers.change_tags(
        Contact.unsafe_all.select_for_update(no_key=True).get(pk=contact_id),
        on={edit.tag_id for edit in settled if edit.is_wanted},
        off={edit.tag_id for edit in settled if not edit.is_wanted},
        now=now,
    )
    if overtaken:
        _ask_again(contact_id, overtaken[0].batch, item_id=item_id, now=now)


def _ask_again(contact_id: int, batch: TagBatch, *, item_id: int, now: datetime) -> None:
    outbox.enqueue(
        NewItem(
            kind=KIND,
            key=f"tag:again:{item_id}",
            is_patient=True,
            subject=batch,
            title=_("再次核对标签"),
            due_at=now,
            payload={"contact": contact_id, "again": True},
        ),
        by=batch.created_by,
    )


def fail_edits(contact_id: int, *, reason: str) -> None:
    """None of the open wishes of a relation can be carried out."""
    TagEdit.unsafe_all.filter(contact_id=contact_id, state=State.WAITING).update(
        state=State.FAILED, reason=reason[:255]
    )


def relations_of(user: User, customers_meant) -> "Iterable[Contact]":
    """Living relations of these customers with agents that the user may see."""
    agents = Agent.objects.for_user(user)
    return Contact.unsafe_all.current().filter(customer__in=customers_meant, agent__in=agents)
