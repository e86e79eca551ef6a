"""Starts and ends of relations that only an event, or an absence, tells of."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from crm.customers.derived import refresh_customers
from crm.customers.identity import ensure_customers, one_writer
from crm.customers.models import Contact, Customer
from crm.customers.relations import SAME_START, agent_ids, friend_added, userids_of
from crm.timeline.actions import NewFact, append_facts
from crm.timeline.models import Fact
from crm.timeline.queries import KIND_IDS
from crm.wecom.records import ExternalSeen

Status = Contact.Status
KIND_OF = {
    Status.DELETED_BY_CUSTOMER: "friend_deleted_by_customer",
    Status.DELETED_BY_AGENT: "friend_deleted_by_agent",
    Status.TRANSFERRED: "friend_transferred",
}
_STATUS_OF = {kind: status for status, kind in KIND_OF.items()}
# Where the order of two facts at one instant matters, a start stands before an end.
_ENDS = tuple(_STATUS_OF)


def note_friend_added(
    *,
    external_userid: str,
    userid: str,
    at: datetime,
    listed_since: datetime | None,
    now: datetime,
) -> None:
    """An event says that they became friends at ``at``; write it down if nothing told of it yet.

    Matters when the event is handled late and WeCom lists that relation no more, or a newer one.
    ``listed_since`` is the start that WeCom lists now; None where it lists none.
    """
    contact, is_new = _contact(external_userid, userid, at, now)
    if contact is None:
        return
    if not _is_told(contact, at, listed_since):
        append_facts([friend_added(contact, external_userid, userid, at)], now=now)
    if contact.status != Status.ACTIVE or is_new:
        _settle(contact, is_listed=listed_since is not None)
    refresh_customers([contact.customer_id], now)


def end_contact(
    *,
    external_userid: str,
    userid: str,
    status: Contact.Status,
    at: datetime,
    now: datetime,
    is_observed: bool = False,
) -> None:
    """An event says that the relation ended at ``at``, and by whom.

    The fact is named by pair, kind and instant: repeated or late events make one fact, in whatever
    order they come. It belongs to the relation that began last before it; a newer one lives on.
    ``is_observed``: no event told, somebody looked; an event that comes later adds nothing.
    """
    contact, _is_new = _contact(external_userid, userid, at, now)
    if contact is None:
        return
    if not _observed_within(contact, at):
        ending = _ending(contact, external_userid, userid, status, at)
        append_facts([replace(ending, source="sync") if is_observed else ending], now=now)
    _settle(contact)
    refresh_customers([contact.customer_id], now)


def end_missing_contacts(
    contacts: Iterable[Contact], *, asked_at: datetime, now: datetime
) -> set[int]:
    """Relations that a *complete* list no longer names have ended; returns the customers.

    A customer's deletion leaves the relation in the agent's list, an agent's takes it out, so the
    agent's side is what must have gone. Who did it, and when, nobody saw: the fact says so.
    """
    one_writer()
    missing = list(contacts)
    userids = userids_of({contact.agent_id for contact in missing})
    names = dict(
        Customer.unsafe_all.filter(pk__in={c.customer_id for c in missing}).values_list(
            "pk", "external_userid"
        )
    )
    facts = []
    for contact in missing:
        ended_at = max(asked_at, contact.added_at)
        contact.status, contact.ended_at = Status.DELETED_BY_AGENT, ended_at
        contact.synced_at, contact.updated_at = asked_at, now
        facts.append(
            NewFact(
                customer_id=contact.customer_id,
                kind=KIND_OF[Status.DELETED_BY_AGENT],
                at=ended_at,
                source="sync",
                source_key=f"{names[contact.customer_id]}:{userids[contact.agent_id]}:"
                f"{int(contact.added_at.timestamp())}:missing",
                agent_id=contact.agent_id,
                channel_id=contact.channel_id,
                properties={"observed": True},
            )
        )
    append_facts(facts, now=now)
    Contact.unsafe_all.bulk_update(
        missing, ["status", "ended_at", "synced_at", "updated_at"], batch_size=500
    )
    customers = {contact.customer_id for contact in missing}
    refresh_customers(customers, now)
    return customers


def note_message_received(
    *, external_userid: str, userid: str, at: datetime, now: datetime
) -> None:
    """The customer wrote to the agent."""
    contact, is_new = _contact(external_userid, userid, at, now)
    if contact is None:
        return
    if is_new:
        _settle(contact)
    if _is_archived(contact, at):
        return
    fact = NewFact(
        customer_id=contact.customer_id,
        kind="message_received",
        at=at,
        source="wecom",
        source_key=f"{external_userid}:{userid}:{int(at.timestamp())}:chat",
        agent_id=contact.agent_id,
        channel_id=contact.channel_id,
    )
    append_facts([fact], now=now)
    refresh_customers([contact.customer_id], now)


def _is_archived(contact: Contact, at: datetime) -> bool:
    """Whether the archive has told of this message already; events count whole seconds."""
    second = at.replace(microsecond=0)
    return Fact.unsafe_all.filter(
        customer_id=contact.customer_id,
        agent_id=contact.agent_id,
        kind_id=KIND_IDS["message_received"],
        source="archive",
        at__gte=second,
        at__lt=second + timedelta(seconds=1),
    ).exists()


def _contact(
    external_userid: str, userid: str, at: datetime, now: datetime
) -> tuple[Contact | None, bool]:
    """The pair's row; for people whom WeCom lists no more, a row that starts with the event.

    None where the customer was erased after the event.
    """
    one_writer()
    customer = Customer.unsafe_all.filter(external_userid=external_userid).first()
    if customer is None:
        nameless = ExternalSeen(external_userid, "")
        customer_id = ensure_customers([nameless], asked_at=at, now=now).get(external_userid)
        if customer_id is None:
            return None, False
    else:
        customer_id = customer.pk
    return Contact.unsafe_all.get_or_create(
        customer_id=customer_id,
        agent_id=agent_ids({userid}, now=now)[userid],
        defaults={"added_at": at, "ended_at": at, "status": Status.DELETED_BY_AGENT},
    )


def _is_told(contact: Contact, at: datetime, listed_since: datetime | None) -> bool:
    """Whether a fact tells of this start already.

    The customer may have begun long before the agent confirmed: then the listed start, which is a
    fact by now, is the one meant, unless an end lies between it and the event.
    """
    facts = _facts(contact).filter(at__lte=at + SAME_START)
    if listed_since is not None and listed_since <= at + SAME_START:
        last = facts.order_by("-at", "-pk").values_list("kind__code", flat=True).first()
        return last == "friend_added"
    return facts.filter(kind__code="friend_added", at__gte=at - SAME_START).exists()


def _settle(contact: Contact, *, is_listed: bool = False) -> None:
    """Work the row out from the pair's facts: the last start, and the first end after it."""
    facts = _facts(contact)
    starts = facts.filter(kind__code="friend_added")
    last = starts.order_by("-at").values_list("at", flat=True).first()
    if last is not None and (last > contact.added_at or not _has_start(contact, starts)):
        contact.added_at = last
    end = facts.filter(kind__code__in=_ENDS, at__gte=contact.added_at).order_by("at", "pk").first()
    if end is not None:
        contact.status, contact.ended_at = _STATUS_OF[end.kind.code], end.at
    elif is_listed:
        contact.status, contact.ended_at = Status.ACTIVE, None
    elif contact.ended_at is not None:
        contact.ended_at = contact.added_at  # Gone, but its end has not been told yet.
    contact.save()


def _has_start(contact: Contact, starts) -> bool:
    return starts.filter(
        at__gte=contact.added_at - SAME_START, at__lte=contact.added_at + SAME_START
    ).exists()


def _facts(contact: Contact):
    return Fact.unsafe_all.filter(
        customer_id=contact.customer_id,
        agent_id=contact.agent_id,
        kind__code__in=("friend_added", *_ENDS),
    ).select_related("kind")


def _observed_within(contact: Contact, at: datetime) -> bool:
    """Whether the sync has already noticed the end of the relation that ``at`` belongs to."""
    starts = _facts(contact).filter(kind__code="friend_added")
    before = starts.filter(at__lte=at).order_by("-at").values_list("at", flat=True).first()
    after = starts.filter(at__gt=at).order_by("at").values_list("at", flat=True).first()
    noticed = _facts(contact).filter(source="sync", kind__code__in=_ENDS)
    if before is not None:
        noticed = noticed.filter(at__gte=before)
    if after is not None:
        noticed = noticed.filter(at__lt=after)
    return noticed.exists()


def _ending(
    contact: Contact, external_userid: str, userid: str, status: Contact.Status, at: datetime
) -> NewFact:
    return NewFact(
        customer_id=contact.customer_id,
        kind=KIND_OF[status],
        at=at,
        source="wecom",
        source_key=f"{external_userid}:{userid}:{int(at.timestamp())}:{status}",
        agent_id=contact.agent_id,
        channel_id=contact.channel_id,
    )
