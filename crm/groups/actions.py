"""Groups and stays: brought up to what WeCom shows, with the facts of joining and leaving.

The door of the room: what events alone tell of is in ``comings``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from crm.customers.actions import agent_ids, ensure_customers, one_writer, refresh_customers
from crm.groups.comings import (
    SAME_START,
    dismiss_groups,
    joined,
    left,
    note_joined,
    note_left,
    open_stays,
    version_of,
)
from crm.groups.models import Group, Membership
from crm.shared.text import sort_key
from crm.timeline.actions import NewFact, append_facts
from crm.wecom.records import ExternalSeen, GroupMemberSeen, GroupSeen

__all__ = [
    "Applied",
    "apply_groups",
    "dismiss_groups",
    "note_joined",
    "note_left",
    "open_stays",
    "version_of",
]

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
