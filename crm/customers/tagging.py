"""Corp tags: the catalogue, and which relations carry them."""

from collections.abc import Sequence
from datetime import datetime

from crm.customers.derived import refresh_customers
from crm.customers.identity import one_writer
from crm.customers.models import Contact, Tag, TagGroup
from crm.timeline.actions import NewFact, append_facts
from crm.wecom.records import TagGroupSeen

_ContactTag = Contact.tags.through


def apply_tags(groups: Sequence[TagGroupSeen], *, asked_at: datetime, now: datetime) -> int:
    """Make the catalogue equal to the *complete* one of WeCom; returns rows changed.

    An answer older than the one applied last changes nothing.

    Tags and groups that are missing are switched off, never deleted: history names them. They leave
    the relations without a fact each, because nobody took them off a customer.
    """
    one_writer()
    if TagGroup.objects.filter(synced_at__gt=asked_at).exists():
        return 0
    changed = _apply_groups(groups) + _apply_names(groups)
    TagGroup.objects.update(synced_at=asked_at)
    present = {tag.wecom_id for group in groups for tag in group.tags}
    gone = Tag.objects.exclude(wecom_id__in=present).filter(is_deleted=False)
    if doomed := list(gone.values_list("pk", flat=True)):
        carried = _ContactTag.objects.filter(tag_id__in=doomed)
        customers = set(carried.values_list("contact__customer_id", flat=True))
        changed += Tag.objects.filter(pk__in=doomed).update(is_deleted=True, updated_at=now)
        carried.delete()
        refresh_customers(customers, now)
    empty = TagGroup.objects.exclude(wecom_id__in=[group.wecom_id for group in groups])
    return changed + empty.filter(is_deleted=False).update(is_deleted=True, updated_at=now)


def _apply_groups(groups: Sequence[TagGroupSeen]) -> int:
    known = {group.wecom_id: group for group in TagGroup.objects.all()}
    changed = 0
    for seen in groups:
        group = known.get(seen.wecom_id) or TagGroup(wecom_id=seen.wecom_id)
        changed += _save_if_different(group, name=seen.name, order=seen.order, is_deleted=False)
    return changed


def _apply_names(groups: Sequence[TagGroupSeen]) -> int:
    group_ids = dict(TagGroup.objects.values_list("wecom_id", "pk"))
    known = {tag.wecom_id: tag for tag in Tag.objects.all()}
    changed = 0
    for group in groups:
        for seen in group.tags:
            changed += _save_if_different(
                known.get(seen.wecom_id) or Tag(wecom_id=seen.wecom_id),
                group_id=group_ids[group.wecom_id],
                name=seen.name,
                order=seen.order,
                is_deleted=False,
            )
    return changed


def _save_if_different(row: TagGroup | Tag, **values: object) -> bool:
    if row.pk and all(getattr(row, name) == value for name, value in values.items()):
        return False
    for name, value in values.items():
        setattr(row, name, value)
    row.save()
    return True


def unknown_tags(wecom_ids: set[str]) -> set[str]:
    """Corp tags that the catalogue here does not know yet (rule-group tags are never in it)."""
    wanted = {wecom_id for wecom_id in wecom_ids if wecom_id.startswith("et")}
    return wanted - set(Tag.objects.filter(wecom_id__in=wanted).values_list("wecom_id", flat=True))


class TagChanges:
    """Tags to put on and to take off relations, with the facts that tell of it.

    What a relation carries when it is first seen is where it starts from: WeCom does not say since
    when, so no fact is made up.
    """

    def __init__(self, names: dict[int, str], *, at: datetime, now: datetime) -> None:
        self.names, self.at, self.now = names, at, now
        self.wanted: list[tuple[Contact, tuple[str, ...], bool]] = []

    def compare(self, contact: Contact, wecom_ids: tuple[str, ...], *, is_new: bool) -> None:
        self.wanted.append((contact, wecom_ids, is_new))


def apply_relation_tags(changes: TagChanges) -> set[int]:
    """Write the differences; returns the customers whose tags changed."""
    if not changes.wanted:
        return set()
    named = {wecom_id for _contact, ids, _new in changes.wanted for wecom_id in ids}
    tags = dict(
        Tag.objects.filter(wecom_id__in=named, is_deleted=False).values_list("wecom_id", "pk")
    )
    carried = _carried([contact.pk for contact, _ids, is_new in changes.wanted if not is_new])
    adding, removing, facts = [], [], []
    for contact, wecom_ids, is_new in changes.wanted:
        wanted = {tags[wecom_id] for wecom_id in wecom_ids if wecom_id in tags}
        have = carried.get(contact.pk, {})
        adding += [(contact, tag_id) for tag_id in sorted(wanted - have.keys())]
        removing += [(contact, tag_id) for tag_id in sorted(have.keys() - wanted)]
        if not is_new:
            facts += [_fact(changes, contact, t, "tag_added") for t in wanted - have.keys()]
            facts += [_fact(changes, contact, t, "tag_removed") for t in have.keys() - wanted]
    _ContactTag.objects.bulk_create(
        [_ContactTag(contact_id=contact.pk, tag_id=tag_id) for contact, tag_id in adding],
        ignore_conflicts=True,
        batch_size=2000,
    )
    rows = [carried[contact.pk][tag_id] for contact, tag_id in removing]
    _ContactTag.objects.filter(pk__in=rows).delete()
    append_facts(facts, now=changes.now)
    return {contact.customer_id for contact, _tag in [*adding, *removing]}


def _carried(contact_ids: list[int]) -> dict[int, dict[int, int]]:
    """contact → tag → row of the link."""
    carried: dict[int, dict[int, int]] = {}
    rows = _ContactTag.objects.filter(contact_id__in=contact_ids)
    for contact_id, tag_id, pk in rows.values_list("contact_id", "tag_id", "pk"):
        carried.setdefault(contact_id, {})[tag_id] = pk
    return carried


def _fact(changes: TagChanges, contact: Contact, tag_id: int, kind: str) -> NewFact:
    at = max(changes.at, contact.added_at)
    key = f"{changes.names[contact.customer_id]}:{contact.agent_id}:{tag_id}"
    return NewFact(
        customer_id=contact.customer_id,
        kind=kind,
        at=at,
        source="wecom",
        source_key=f"{key}:{int(at.timestamp())}:{kind}",
        agent_id=contact.agent_id,
        channel_id=contact.channel_id,
        properties={"tag": tag_id},
    )


def change_tags(contact: Contact, *, on: set[int], off: set[int], now: datetime) -> None:
    """WeCom took these tags on and off one relation: say so here too, with the facts.

    ``contact`` is locked by the caller, inside a transaction that holds ``one_writer``. Answers to
    questions asked before ``now`` no longer change the relation.
    """
    have = set(contact.tags.values_list("pk", flat=True))
    wanted = Tag.objects.filter(pk__in=(have | on) - off).values_list("wecom_id", flat=True)
    changes = TagChanges({contact.customer_id: contact.customer.external_userid}, at=now, now=now)
    changes.compare(contact, tuple(wanted), is_new=False)
    refresh_customers(apply_relation_tags(changes), now)
    Contact.unsafe_all.filter(pk=contact.pk).update(synced_at=now, updated_at=now)
