"""Groups and stays: brought up to what WeCom shows, with the facts of joining and leaving."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from crm.customers.actions import agent_ids, ensure_customers, one_writer, refresh_customers
from crm.customers.models import Customer
from crm.groups.models import Group, Membership
from crm.shared.text import sort_key
from crm.timeline.actions import NewFact, append_facts
from crm.timeline.models import Fact
from crm.wecom.records import ExternalSeen, GroupMemberSeen, GroupSeen

SAME_START = timedelta(seconds=10)
_WRITTEN = ["name", "name_sort", "owner", "opened_at", "dismissed_at", "notice", "member_version"]
_WRITTEN += ["customer_count", "agent_count", "synced_at", "updated_at"]


@dataclass
class Applied:
    """What applying a set of groups came to."""

    changed: int = 0
    customer_ids: set[int] = field(default_factory=set)


def apply_groups(
    seen: Sequence[GroupSeen],
    *,
    asked_at: datetime,
    now: datetime,
    closes_stays: bool,
) -> Applied:
    """Make groups and who is in them equal to what WeCom showed when it was asked.

    ``closes_stays`` is for the sync: whoever is not in the list has left, though nobody saw when.
    Callbacks leave that to the event that tells of it. Call it inside a transaction.
    """
    one_writer()
    rows = _group_rows(seen, asked_at=asked_at, now=now)
    seen = [group for group in seen if group.chat_id in rows]
    people = ensure_customers(_guests(seen), asked_at=asked_at, now=now, origin="group")
    agents = agent_ids({m.userid for g in seen for m in g.members if not m.is_customer}, now=now)
    work = _Work(rows, people, agents, asked_at=asked_at, closes_stays=closes_stays)
    for group in seen:
        work.compare(group)
    result = work.write(now)
    refresh_customers(result.customer_ids, now)
    return result


def _group_rows(
    seen: Sequence[GroupSeen], *, asked_at: datetime, now: datetime
) -> dict[str, Group]:
    """Rows by chat_id, saved; groups of which a later answer is known already are left out."""
    known = {
        row.chat_id: row
        for row in Group.unsafe_all.filter(chat_id__in=[group.chat_id for group in seen])
    }
    owners = agent_ids({group.owner for group in seen if group.owner}, now=now)
    fresh, old = [], []
    for group in seen:
        row = known.get(group.chat_id) or Group(chat_id=group.chat_id)
        if row.synced_at is not None and row.synced_at > asked_at:
            continue
        row.name, row.name_sort = group.name, sort_key(group.name)
        row.owner_id = owners.get(group.owner)
        row.opened_at, row.notice = group.opened_at, group.notice
        row.dismissed_at, row.member_version = None, group.member_version
        row.customer_count = sum(member.is_customer for member in group.members)
        row.agent_count = len(group.members) - row.customer_count
        row.synced_at, row.updated_at = asked_at, now
        (old if row.pk else fresh).append(row)
    Group.unsafe_all.bulk_create(fresh)
    Group.unsafe_all.bulk_update(old, _WRITTEN, batch_size=500)
    return {row.chat_id: row for row in [*fresh, *old]}


def _guests(seen: Sequence[GroupSeen]) -> list[ExternalSeen]:
    return [
        ExternalSeen(member.userid, member.name, unionid=member.unionid)
        for group in seen
        for member in group.members
        if member.is_customer
    ]


class _Work:
    """Decides stay by stay and writes everything at once."""

    def __init__(
        self,
        rows: dict[str, Group],
        people: dict[str, int],
        agents: dict[str, int],
        *,
        asked_at: datetime,
        closes_stays: bool,
    ) -> None:
        self.rows, self.people, self.agents = rows, people, agents
        self.asked_at, self.closes_stays = asked_at, closes_stays
        ids = [row.pk for row in rows.values()]
        self.known: dict[int, dict[str, list[Membership]]] = {pk: {} for pk in ids}
        for stay in Membership.unsafe_all.filter(group_id__in=ids).order_by("joined_at"):
            self.known[stay.group_id].setdefault(stay.userid, []).append(stay)
        self.new: list[Membership] = []
        self.changed: list[Membership] = []
        self.facts: list[NewFact] = []

    def compare(self, group: GroupSeen) -> None:
        row = self.rows[group.chat_id]
        stays = self.known[row.pk]
        for member in group.members:
            self._present(row, member, stays.get(member.userid, []))
        present = {member.userid for member in group.members}
        if self.closes_stays:
            for userid in sorted(stays.keys() - present):
                for stay in (s for s in stays[userid] if s.left_at is None):
                    self._close(row, stay)

    def _present(self, row: Group, member: GroupMemberSeen, stays: list[Membership]) -> None:
        same = next((s for s in stays if abs(s.joined_at - member.joined_at) <= SAME_START), None)
        for stay in stays:
            if stay is not same and stay.left_at is None:
                # They left and came back; the event of leaving corrects the time.
                self._end(stay, max(stay.joined_at, member.joined_at))
        if same is None:
            self._open(row, member)
            return
        values = {
            "nickname": member.nickname,
            "join_scene": member.join_scene,
            "state": member.state,
            "invited_by": member.invited_by,
            "left_at": None,
        }
        if any(getattr(same, name) != value for name, value in values.items()):
            for name, value in values.items():
                setattr(same, name, value)
            self.changed.append(same)

    def _open(self, row: Group, member: GroupMemberSeen) -> None:
        stay = Membership(
            group=row,
            userid=member.userid,
            customer_id=self.people.get(member.userid) if member.is_customer else None,
            agent_id=None if member.is_customer else self.agents.get(member.userid),
            nickname=member.nickname,
            joined_at=member.joined_at,
            join_scene=member.join_scene,
            state=member.state,
            invited_by=member.invited_by,
        )
        self.new.append(stay)
        if stay.customer_id:
            self.facts.append(joined(stay, row.chat_id, member.joined_at))

    def _close(self, row: Group, stay: Membership) -> None:
        self._end(stay, max(self.asked_at, stay.joined_at))
        if stay.customer_id:
            self.facts.append(left(stay, row.chat_id, stay.left_at, observed=True))

    def _end(self, stay: Membership, at: datetime) -> None:
        stay.left_at = at
        self.changed.append(stay)

    def write(self, now: datetime) -> Applied:
        for stay in self.changed:
            stay.updated_at = now
        # Ends first: a person has one open stay in a group.
        Membership.unsafe_all.bulk_update(
            self.changed,
            ["nickname", "join_scene", "state", "invited_by", "left_at", "updated_at"],
            batch_size=500,
        )
        Membership.unsafe_all.bulk_create(self.new, batch_size=1000)
        append_facts(self.facts, now=now)
        touched = [*self.new, *self.changed]
        customers = {stay.customer_id for stay in touched if stay.customer_id}
        return Applied(len(touched), customers)


def joined(stay: Membership, chat_id: str, at: datetime) -> NewFact:
    """The fact of joining. Sync and callback give it the same name."""
    return NewFact(
        customer_id=stay.customer_id,
        kind="group_joined",
        at=at,
        source="wecom",
        source_key=f"{chat_id}:{stay.userid}:{int(at.timestamp())}",
        group_id=stay.group_id,
        properties={"join_scene": stay.join_scene} | ({"state": stay.state} if stay.state else {}),
    )


def left(
    stay: Membership, chat_id: str, at: datetime, *, observed: bool = False, dismissed: bool = False
) -> NewFact:
    """The fact of leaving; ``observed`` when only the absence was seen."""
    key = f"{chat_id}:{stay.userid}:{int(at.timestamp())}:left"
    if observed:
        key = f"{chat_id}:{stay.userid}:{int(stay.joined_at.timestamp())}:missing"
    properties: dict[str, object] = {}
    if stay.quit_scene is not None:
        properties["quit_scene"] = stay.quit_scene
    if observed:
        properties["observed"] = True
    if dismissed:
        properties["dismissed"] = True
    return NewFact(
        customer_id=stay.customer_id,
        kind="group_left",
        at=at,
        source="sync" if observed else "wecom",
        source_key=key,
        group_id=stay.group_id,
        properties=properties,
    )


def note_joined(
    *, chat_id: str, userids: Iterable[str], at: datetime, scene: int, now: datetime
) -> None:
    """An event says that these people joined; write down stays that WeCom shows no more."""
    one_writer()
    group = Group.unsafe_all.filter(chat_id=chat_id).first()
    if group is None:
        return
    for customer in _customers(userids, now):
        if _is_told(group, customer, at):
            continue
        stay = Membership(
            group=group,
            customer=customer,
            userid=customer.external_userid,
            joined_at=at,
            join_scene=scene,
        )
        end = _facts(group, customer).filter(kind__code="group_left", at__gte=at).order_by("at")
        stay.left_at = end.values_list("at", flat=True).first() or at
        stay.save()
        append_facts([joined(stay, chat_id, at)], now=now)
        refresh_customers([customer.pk], now)


def note_left(
    *, chat_id: str, userids: Iterable[str], at: datetime, scene: int | None, now: datetime
) -> None:
    """An event says that these people left. A stay that began later lives on."""
    one_writer()
    group = Group.unsafe_all.filter(chat_id=chat_id).first()
    if group is None:
        return
    for customer in _customers(userids, now):
        stays = Membership.unsafe_all.filter(group=group, customer=customer, joined_at__lte=at)
        stay = stays.order_by("-joined_at").first()
        if stay is None:
            stay = Membership(group=group, customer=customer, userid=customer.external_userid)
        elif stay.left_at is None or stay.left_at > at or stay.left_at == stay.joined_at:
            stay.left_at, stay.quit_scene = at, scene
            stay.save()
        stay.quit_scene = scene
        if not _observed(group, customer, stay):
            append_facts([left(stay, chat_id, at)], now=now)
        refresh_customers([customer.pk], now)


def open_stays(chat_id: str) -> set[str]:
    """External ids of the customers who are in the group as far as we know."""
    stays = Membership.unsafe_all.current().filter(group__chat_id=chat_id, customer__isnull=False)
    return set(stays.values_list("userid", flat=True))


def version_of(chat_id: str) -> str:
    """The version of the member list that was applied last; empty for unknown groups."""
    versions = Group.unsafe_all.filter(chat_id=chat_id).values_list("member_version", flat=True)
    return versions.first() or ""


def dismiss_groups(
    chat_ids: Iterable[str], *, at: datetime, now: datetime, observed: bool = False
) -> int:
    """The groups are no more; everybody who was in them has left."""
    one_writer()
    groups = list(Group.unsafe_all.filter(chat_id__in=list(chat_ids), dismissed_at__isnull=True))
    for group in groups:
        group.dismissed_at = max(at, group.opened_at)
        group.customer_count = group.agent_count = 0
        group.updated_at = now
    Group.unsafe_all.bulk_update(
        groups, ["dismissed_at", "customer_count", "agent_count", "updated_at"], batch_size=500
    )
    stays = list(Membership.unsafe_all.current().filter(group__in=groups).select_related("group"))
    facts = []
    for stay in stays:
        stay.left_at, stay.updated_at = max(at, stay.joined_at), now
        if stay.customer_id:
            fact = left(stay, stay.group.chat_id, stay.left_at, observed=observed, dismissed=True)
            facts.append(fact)
    Membership.unsafe_all.bulk_update(stays, ["left_at", "updated_at"], batch_size=500)
    append_facts(facts, now=now)
    refresh_customers({stay.customer_id for stay in stays if stay.customer_id}, now)
    return len(groups)


def _customers(userids: Iterable[str], now: datetime) -> list[Customer]:
    """Customers by external id; ids of our own agents are left out, strangers get a row."""
    wanted = set(userids)
    known = list(Customer.unsafe_all.filter(external_userid__in=wanted).order_by("pk"))
    strangers = wanted - {customer.external_userid for customer in known}
    # Customers' ids begin with wm or wo; whatever else joins is one of our own.
    guests = [ExternalSeen(u, "") for u in sorted(strangers) if u.startswith(("wm", "wo"))]
    ids = ensure_customers(guests, asked_at=now, now=now, origin="group")
    return known + list(Customer.unsafe_all.filter(pk__in=ids.values()).order_by("pk"))


def _facts(group: Group, customer: Customer):
    kinds = ("group_joined", "group_left")
    return Fact.unsafe_all.filter(customer=customer, group=group, kind__code__in=kinds)


def _is_told(group: Group, customer: Customer, at: datetime) -> bool:
    """Whether a fact tells of this joining already; the list and the event may differ a little."""
    joins = _facts(group, customer).filter(kind__code="group_joined")
    return joins.filter(at__gte=at - SAME_START, at__lte=at + SAME_START).exists()


def _observed(group: Group, customer: Customer, stay: Membership) -> bool:
    noticed = _facts(group, customer).filter(kind__code="group_left", source="sync")
    if stay.joined_at is not None:
        noticed = noticed.filter(at__gte=stay.joined_at)
    return noticed.exists()
