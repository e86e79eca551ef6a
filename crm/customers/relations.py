"""Relations between customers and agents: brought up to what WeCom lists, with their facts.

A relation's present is a Contact row, its past lies in facts. Starts and ends are facts of their
own, and the row is worked out from them; so callbacks may come twice and in any order and still
leave the same rows and facts behind.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from crm.agents.models import Agent
from crm.customers.derived import refresh_customers
from crm.customers.identity import ensure_customers, one_writer
from crm.customers.models import Channel, Contact, Customer
from crm.customers.tagging import TagChanges, apply_relation_tags
from crm.timeline.actions import NewFact, append_facts
from crm.timeline.models import Fact
from crm.wecom.records import ContactSeen, RelationSeen

# Two reports of one start may differ by the time that the platform took to tell.
SAME_START = timedelta(seconds=10)
# An agent who deletes a customer and adds them again may keep the old ``createtime``.
LISTED_AGAIN = timedelta(minutes=5)
_COPIED = ["status", "added_at", "ended_at", "add_way", "state", "channel", "remark", "description"]


@dataclass
class Applied:
    """What applying a set of contacts came to."""

    customer_ids: set[int] = field(default_factory=set)
    new: int = 0
    changed: int = 0


def apply_contacts(
    seen: Sequence[ContactSeen],
    *,
    asked_at: datetime,
    now: datetime,
    noticed_at: datetime | None = None,
) -> Applied:
    """Make customers and their relations equal to what WeCom listed when it was asked.

    Relations that are not in ``seen`` are left alone: absence from one answer proves nothing.
    ``noticed_at`` is the time of the event that told of a change, for facts that have no time of
    their own. Call it inside a transaction.
    """
    one_writer()
    people = ensure_customers([contact.customer for contact in seen], asked_at=asked_at, now=now)
    pairs = _pairs(seen, people)
    agents = agent_ids({userid for _customer, userid in pairs}, now=now)
    channels = channel_ids({relation.state for relation in pairs.values()})
    known = _known_contacts(pairs, agents)
    work = _Work(asked_at=asked_at, now=now, noticed_at=noticed_at or asked_at)
    for (customer_id, userid), relation in pairs.items():
        contact = known.get((customer_id, agents[userid]))
        if contact is None:
            contact = Contact(customer_id=customer_id, agent_id=agents[userid])
            work.begin(contact, relation, channels)
        else:
            work.compare(contact, relation, channels)
    result = work.write(people)
    _fill_phones(pairs)
    refresh_customers(result.customer_ids, now)
    return result


class _Work:
    """Decides row by row and writes everything at once."""

    def __init__(self, *, asked_at: datetime, now: datetime, noticed_at: datetime) -> None:
        self.asked_at, self.now, self.noticed_at = asked_at, now, noticed_at
        self.new: list[Contact] = []
        self.changed: list[Contact] = []
        self.started: list[Contact] = []
        self.tagged: list[tuple[Contact, RelationSeen]] = []

    def begin(self, contact: Contact, relation: RelationSeen, channels: dict[str, int]) -> None:
        contact.added_at, contact.synced_at = relation.added_at, self.asked_at
        self._copy(contact, relation, channels)
        self.new.append(contact)
        self.started.append(contact)
        self.tagged.append((contact, relation))

    def compare(self, contact: Contact, relation: RelationSeen, channels: dict[str, int]) -> None:
        if contact.synced_at is not None and contact.synced_at > self.asked_at:
            return  # A later question has been answered already.
        self.tagged.append((contact, relation))
        changed = self._copy(contact, relation, channels)
        began = self._began_again(contact, relation)
        if began is not None:
            contact.added_at = began
            contact.status, contact.ended_at = Contact.Status.ACTIVE, None
            self.started.append(contact)
            changed = True
        if changed:
            contact.synced_at, contact.updated_at = self.asked_at, self.now
            self.changed.append(contact)

    def _began_again(self, contact: Contact, relation: RelationSeen) -> datetime | None:
        """When they met again, if they did: what ended the last relation does not end this one."""
        if relation.added_at > contact.added_at + SAME_START:
            return relation.added_at
        taken_out = contact.status in (Contact.Status.DELETED_BY_AGENT, Contact.Status.TRANSFERRED)
        if taken_out and self.asked_at > contact.ended_at + LISTED_AGAIN:
            return self.asked_at
        return None

    def _copy(self, contact: Contact, relation: RelationSeen, channels: dict[str, int]) -> bool:
        values = {
            "add_way": relation.add_way,
            "state": relation.state,
            "channel_id": channels.get(relation.state),
            "remark": relation.remark,
            "description": relation.description,
        }
        changed = any(getattr(contact, name) != value for name, value in values.items())
        for name, value in values.items():
            setattr(contact, name, value)
        return changed

    def write(self, people: dict[str, int]) -> Applied:
        Contact.unsafe_all.bulk_create(self.new, batch_size=1000)
        Contact.unsafe_all.bulk_update(
            self.changed, [*_COPIED, "synced_at", "updated_at"], batch_size=500
        )
        names = {pk: external_userid for external_userid, pk in people.items()}
        append_facts(self._starts(names), now=self.now)
        tagging = TagChanges(names, at=self.noticed_at, now=self.now)
        fresh = {id(contact) for contact in self.new}
        for contact, relation in self.tagged:
            tagging.compare(contact, relation.tag_ids, is_new=id(contact) in fresh)
        retagged = apply_relation_tags(tagging)
        touched = {contact.customer_id for contact in [*self.new, *self.changed]} | retagged
        return Applied(touched, len(self.new), len(touched))

    def _starts(self, names: dict[int, str]) -> list[NewFact]:
        told = starts_told({contact.customer_id for contact in self.started})
        userids = userids_of({contact.agent_id for contact in self.started})
        return [
            friend_added(
                contact, names[contact.customer_id], userids[contact.agent_id], contact.added_at
            )
            for contact in self.started
            if not any(
                abs(at - contact.added_at) <= SAME_START
                for at in told.get((contact.customer_id, contact.agent_id), ())
            )
        ]


def friend_added(contact: Contact, external_userid: str, userid: str, at: datetime) -> NewFact:
    """The fact of a start. Sync and callback give it the same name."""
    return NewFact(
        customer_id=contact.customer_id,
        kind="friend_added",
        at=at,
        source="wecom",
        source_key=f"{external_userid}:{userid}:{int(at.timestamp())}",
        agent_id=contact.agent_id,
        channel_id=contact.channel_id,
        properties={"add_way": contact.add_way}
        | ({"state": contact.state} if contact.state else {}),
    )


def starts_told(customer_ids: set[int]) -> dict[tuple[int, int], list[datetime]]:
    """Instants of ``friend_added`` facts by (customer, agent)."""
    rows = Fact.unsafe_all.filter(
        customer_id__in=customer_ids, kind__code="friend_added", agent__isnull=False
    ).values_list("customer_id", "agent_id", "at")
    told: dict[tuple[int, int], list[datetime]] = {}
    for customer_id, agent_id, at in rows:
        told.setdefault((customer_id, agent_id), []).append(at)
    return told


def agent_ids(userids: set[str], *, now: datetime) -> dict[str, int]:
    """Ids of agents; one whom the directory has not told of yet gets a row by number only."""
    known = dict(Agent.unsafe_all.filter(userid__in=userids).values_list("userid", "pk"))
    for userid in sorted(userids - known.keys()):
        known[userid] = Agent.unsafe_all.get_or_create(
            userid=userid, defaults={"name": userid[:64]}
        )[0].pk
    return known


def userids_of(ids: set[int]) -> dict[int, str]:
    """Userids of agents by id."""
    return dict(Agent.unsafe_all.filter(pk__in=ids).values_list("pk", "userid"))


def channel_ids(states: set[str]) -> dict[str, int]:
    """Channels by ``state``; one that nobody has named yet is named after its code."""
    wanted = {state for state in states if state}
    known = dict(Channel.objects.filter(code__in=wanted).values_list("code", "pk"))
    for code in sorted(wanted - known.keys()):
        known[code] = Channel.objects.get_or_create(code=code, defaults={"name": code})[0].pk
    return known


def _pairs(
    seen: Sequence[ContactSeen], people: dict[str, int]
) -> dict[tuple[int, str], RelationSeen]:
    pairs: dict[tuple[int, str], RelationSeen] = {}
    for contact in seen:
        if contact.customer.external_userid not in people:
            continue
        for relation in contact.relations:
            key = (people[contact.customer.external_userid], relation.userid)
            if key not in pairs or pairs[key].added_at < relation.added_at:
                pairs[key] = relation
    return pairs


def _known_contacts(
    pairs: dict[tuple[int, str], RelationSeen], agents: dict[str, int]
) -> dict[tuple[int, int], Contact]:
    rows = Contact.unsafe_all.filter(
        customer_id__in={customer_id for customer_id, _userid in pairs},
        agent_id__in=set(agents.values()),
    )
    return {(row.customer_id, row.agent_id): row for row in rows}


def _fill_phones(pairs: dict[tuple[int, str], RelationSeen]) -> None:
    """A number that an agent noted fills an empty field; what files say is not overwritten."""
    phones = {customer_id: relation.phone for (customer_id, _), relation in pairs.items()}
    wanted = {customer_id: phone for customer_id, phone in phones.items() if phone}
    rows = list(Customer.unsafe_all.filter(pk__in=wanted, phone=""))
    for row in rows:
        row.phone = wanted[row.pk]
    Customer.unsafe_all.bulk_update(rows, ["phone"], batch_size=500)
