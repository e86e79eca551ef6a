"""Writing a batch of messages down, with who said them, who agreed, and what facts they make."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from crm.agents.models import Agent
from crm.archive.consent import note_consent
from crm.archive.forgetting import forgetful
from crm.archive.messages import Said
from crm.archive.models import ArchiveConsent, ArchivedMedia, ArchivedMessage
from crm.archive.opening import Opened
from crm.customers.actions import agent_ids, ensure_customers, one_writer, refresh_customers
from crm.customers.models import Customer
from crm.groups.models import Group
from crm.timeline.actions import append_selected_facts
from crm.wecom.records import ExternalSeen

_EXTERNAL, _ROBOT = ("wm", "wo"), "wb"
_OPENED_FIELDS = (
    *("action", "kind", "sender", "receivers", "room", "said_at", "customer_id", "agent_id"),
    *("group_id", "by_customer", "text", "content", "revokes", "sealed", "problem"),
)

# One fact per message of a single chat. The event of a customer who begins to chat has told of the
# first one already, to the second; group talk belongs to no agent's conversation.
_FACTS = """
select m.customer_id,
       case when m.by_customer then 'message_received' else 'message_sent' end as kind,
       m.said_at as at, m.agent_id, null::bigint as group_id, c.channel_id,
       null::bigint as order_id, null::bigint as amount_cents, 'archive' as source,
       m.msgid as source_key, jsonb_build_object('type', m.kind) as properties
from crm_archivedmessage m
left join crm_contact c on c.customer_id = m.customer_id and c.agent_id = m.agent_id
where m.id = any(%(messages)s::bigint[])
  and m.room = '' and m.action = 'send' and m.kind not in ('agree', 'disagree')
  and m.customer_id is not null and m.agent_id is not null
  and not (m.by_customer and exists (
    select 1 from crm_fact f
    where f.customer_id = m.customer_id and f.agent_id = m.agent_id and f.source = 'wecom'
      and f.kind_id = 7
      and date_trunc('second', f.at) = date_trunc('second', m.said_at)))
"""

# Whichever of the two was opened first.
_RECALLS = """
update crm_archivedmessage original
set revoked_at = recall.said_at
from crm_archivedmessage recall
where recall.revokes <> '' and recall.revokes = original.msgid and original.revoked_at is null
  and (recall.id = any(%(messages)s::bigint[]) or original.id = any(%(messages)s::bigint[]))
"""


@dataclass(frozen=True)
class Stored:
    """What a batch came to."""

    messages: int = 0
    facts: int = 0
    media: int = 0
    sealed: int = 0


@dataclass(frozen=True)
class _People:
    """Ids of everybody whom a batch names."""

    customers: dict[str, int]
    agents: dict[str, int]
    groups: dict[str, int]


def store_messages(batch: Sequence[Opened], *, now: datetime) -> Stored:
    """Keep what is new of a batch, in the caller's transaction."""
    one_writer()
    msgids = [opened.sealed.msgid for opened in batch]
    known = set(ArchivedMessage.unsafe_all.filter(msgid__in=msgids).values_list("msgid", flat=True))
    new = list({one.sealed.msgid: one for one in batch if one.sealed.msgid not in known}.values())
    new = [one for one in map(forgetful(new, now), new) if one]
    people = _people_of([one.said for one in new if one.said], now)
    rows = [_row(one, people, now) for one in new]
    ArchivedMessage.unsafe_all.bulk_create(rows, batch_size=1000)
    return _settle([(row, one) for row, one in zip(rows, new, strict=True)], people, now)


def open_sealed(pairs: Sequence[tuple[ArchivedMessage, Opened]], *, now: datetime) -> Stored:
    """Fill in messages that were kept sealed and can be read by now."""
    one_writer()
    forget = forgetful([one for _row_, one in pairs], now)
    told = [(row, forget(one)) for row, one in pairs]
    gone = [row.pk for row, one in told if one is None]
    ArchivedMessage.unsafe_all.filter(pk__in=gone).delete()
    pairs = [(row, one) for row, one in told if one is not None]
    people = _people_of([one.said for _row_, one in pairs if one.said], now)
    for row, one in pairs:
        fresh = _row(one, people, now)
        for name in _OPENED_FIELDS:
            setattr(row, name, getattr(fresh, name))
    names = [name.removesuffix("_id") for name in _OPENED_FIELDS]
    ArchivedMessage.unsafe_all.bulk_update([row for row, _one in pairs], names, batch_size=500)
    return _settle(pairs, people, now)


def _settle(
    pairs: Sequence[tuple[ArchivedMessage, Opened]], people: _People, now: datetime
) -> Stored:
    opened = [(row, one.said) for row, one in pairs if one.said is not None]
    media = [
        ArchivedMedia(
            message=row,
            position=position,
            kind=ref.kind,
            name=ref.name,
            file_id=ref.file_id,
            md5=ref.md5,
            size=ref.size,
            stored_name=secrets.token_hex(20),
            next_try_at=now,
        )
        for row, said in opened
        for position, ref in enumerate(said.media)
    ]
    ArchivedMedia.objects.bulk_create(media, batch_size=1000)
    messages = [row.pk for row, _said in opened]
    _link_recalls(messages)
    for row, said in opened:
        _note_consent(row, said, people, now)
    facts = append_selected_facts(_FACTS, {"messages": messages}, now=now)
    refresh_customers({row.customer_id for row, _said in opened if row.customer_id}, now)
    sealed = sum(one.said is None for _row_, one in pairs)
    return Stored(len(pairs), facts, len(media), sealed)


def _row(one: Opened, people: _People, now: datetime) -> ArchivedMessage:
    row = ArchivedMessage(
        seq=one.sealed.seq, msgid=one.sealed.msgid, pulled_at=now, said_at=now, problem=one.problem
    )
    if one.said is None:
        row.sealed = one.sealed.__dict__
        return row
    said = one.said
    row.action, row.kind, row.content = said.action, said.kind, one.content
    row.sender, row.receivers, row.room = said.sender, list(said.receivers), said.room
    row.said_at, row.text, row.revokes = said.said_at or now, said.text, said.revokes
    row.group_id = people.groups.get(said.room)
    row.by_customer = said.sender in people.customers
    row.customer_id = people.customers.get(said.sender)
    row.agent_id = people.agents.get(said.sender)
    if not said.room:
        for who in said.receivers:
            row.customer_id = row.customer_id or people.customers.get(who)
            row.agent_id = row.agent_id or people.agents.get(who)
    return row


def _people_of(talk: Sequence[Said], now: datetime) -> _People:
    """Rows of senders, and of receivers in single chats; a group's audience is not unfolded."""
    names = {said.sender for said in talk if said.sender}
    names |= {who for said in talk if not said.room for who in said.receivers}
    agents = dict(Agent.unsafe_all.filter(userid__in=names).values_list("userid", "pk"))
    outside = {name for name in names - agents.keys() if name.startswith(_EXTERNAL)}
    known = Customer.unsafe_all.filter(external_userid__in=outside)
    customers = dict(known.values_list("external_userid", "pk"))
    if strangers := [ExternalSeen(name, "") for name in sorted(outside - customers.keys())]:
        customers |= ensure_customers(strangers, asked_at=now, now=now)
    inside = {n for n in names - agents.keys() - outside if not n.startswith(_ROBOT)}
    agents |= agent_ids(inside, now=now)
    rooms = {said.room for said in talk if said.room}
    groups = dict(Group.unsafe_all.filter(chat_id__in=rooms).values_list("chat_id", "pk"))
    return _People(customers, agents, groups)


def _link_recalls(messages: list[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_RECALLS, {"messages": messages})


def _note_consent(row: ArchivedMessage, said: Said, people: _People, now: datetime) -> None:
    if said.consent is None or row.customer_id is None:
        return
    about = {"group_id": row.group_id} if said.room else {"agent_id": row.agent_id}
    if None in about.values():
        return
    note_consent(
        customer_id=row.customer_id,
        agreed=said.consent.agreed,
        decided_at=said.consent.decided_at or row.said_at,
        told_by=ArchiveConsent.Told.MESSAGE,
        **about,
    )
