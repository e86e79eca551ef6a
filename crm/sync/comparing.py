"""What a run put right: the rows of one page as they stood before it was applied, and after.

Comparing states instead of listening to the code that applies them keeps the rooms apart and
cannot miss a way of changing a row. Only changes that a callback should have told of count.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from crm.agents.models import Agent
from crm.customers.models import Contact, Tag
from crm.groups.models import Group, Membership
from crm.sync.models import Repair, SyncRun

Kind = Repair.Kind
Pair = tuple[str, str]
_ContactTag = Contact.tags.through


@dataclass(frozen=True)
class RelationState:
    """One relation: whose, since when, and what hangs on it."""

    customer_id: int
    agent_id: int
    status: str
    added_at: datetime
    note: tuple[str, str]
    tags: tuple[str, ...]


@dataclass(frozen=True)
class GroupState:
    """One group; ``members`` are those who are in it now, with the time of joining."""

    pk: int
    name: str
    notice: str
    owner: str
    is_current: bool
    members: Mapping[str, tuple[datetime, int | None]] = field(hash=False)


@dataclass(frozen=True)
class Witness:
    """Who found it, when, and at which look our rows were last known to be right."""

    run: SyncRun
    right_at: datetime
    now: datetime

    def repair(
        self,
        kind: Kind,
        *,
        before: dict[str, Any],
        after: dict[str, Any],
        since: datetime | None = None,
        **whose: Any,
    ) -> Repair:
        """``since`` is WeCom's own time of the change, where it tells one."""
        return Repair(
            run=self.run,
            object=self.run.object,
            kind=kind,
            found_at=self.now,
            wrong_since_at=since or self.right_at,
            is_since_exact=since is not None,
            before=before,
            after=after,
            **whose,
        )


def witness(run: SyncRun, now: datetime) -> Witness | None:
    """None before the first success: there is nothing yet that could have gone wrong."""
    done = SyncRun.objects.filter(object=run.object, state=SyncRun.State.DONE)
    last = done.exclude(pk=run.pk).values_list("started_at", flat=True).first()
    return Witness(run, last, now) if last else None


def write_down(repairs: Iterable[Repair]) -> int:
    """Keep them, in the transaction of the change itself; returns how many."""
    return len(Repair.unsafe_all.bulk_create(repairs, batch_size=1000))


# Relations


def relation_states(pairs: Iterable[Pair]) -> dict[Pair, RelationState]:
    """Relations by (external_userid, userid) as they stand now."""
    wanted = set(pairs)
    rows = list(
        Contact.unsafe_all.filter(
            customer__external_userid__in={customer for customer, _agent in wanted},
            agent__userid__in={agent for _customer, agent in wanted},
        ).values_list(
            *("customer__external_userid", "agent__userid", "pk", "customer_id", "agent_id"),
            *("status", "added_at", "remark", "description"),
        )
    )
    rows = [row for row in rows if row[:2] in wanted]
    tags = _tags_of([row[2] for row in rows])
    return {
        row[:2]: RelationState(*row[3:7], note=row[7:9], tags=tuple(sorted(tags.get(row[2], ()))))
        for row in rows
    }


def _tags_of(contact_ids: list[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    links = _ContactTag.objects.filter(contact_id__in=contact_ids, tag__is_deleted=False)
    for contact_id, name in links.values_list("contact_id", "tag__name"):
        found.setdefault(contact_id, []).append(name)
    return found


def relation_repairs(
    seen: Witness, before: Mapping[Pair, RelationState], after: Mapping[Pair, RelationState]
) -> list[Repair]:
    """The differences between two states of the same relations."""
    repairs: list[Repair] = []
    for pair in sorted(after):
        repairs += _relation(seen, before.get(pair), after[pair])
    return repairs


def _relation(seen: Witness, old: RelationState | None, new: RelationState) -> list[Repair]:
    whose = {"customer_id": new.customer_id, "agent_id": new.agent_id}
    now = {"status": new.status, "added_at": new.added_at.isoformat()}
    if old is None:
        since = new.added_at
        return [seen.repair(Kind.RELATION_MISSING, before={}, after=now, since=since, **whose)]
    was = {"status": old.status, "added_at": old.added_at.isoformat()}
    if old.status == "active" and new.status != "active":
        return [seen.repair(Kind.RELATION_GONE, before=was, after=now, **whose)]
    repairs = []
    if (old.status != new.status and new.status == "active") or new.added_at > old.added_at:
        since = new.added_at if new.added_at > old.added_at else None
        repairs.append(seen.repair(Kind.RELATION_BACK, before=was, after=now, since=since, **whose))
    if old.tags != new.tags:
        lists = {"before": {"tags": list(old.tags)}, "after": {"tags": list(new.tags)}}
        repairs.append(seen.repair(Kind.TAGS, **lists, **whose))
    if old.note != new.note:
        names = [n for n, a, b in zip(_NOTED, old.note, new.note, strict=True) if a != b]
        # What a note says is about a person; that it changed is all that is needed here.
        repairs.append(seen.repair(Kind.NOTE, before={}, after={"fields": names}, **whose))
    return repairs


_NOTED = ("remark", "description")


def relations_gone(seen: Witness, contacts: Iterable[Contact]) -> list[Repair]:
    """Relations that a complete list names no more, before they are ended."""
    return [
        seen.repair(
            Kind.RELATION_GONE,
            before={"status": contact.status, "added_at": contact.added_at.isoformat()},
            after={"status": "deleted_by_agent", "observed": True},
            customer_id=contact.customer_id,
            agent_id=contact.agent_id,
        )
        for contact in contacts
    ]


# The catalogue of tags


def catalogue_state() -> dict[str, tuple[str, str]]:
    """Living tags: (name, name of the group) by WeCom's id."""
    rows = Tag.objects.filter(is_deleted=False).values_list("wecom_id", "name", "group__name")
    return {wecom_id: (name, group) for wecom_id, name, group in rows}


def catalogue_repairs(
    seen: Witness, before: Mapping[str, tuple[str, str]], after: Mapping[str, tuple[str, str]]
) -> list[Repair]:
    """Tags that came, went, or are called otherwise."""
    changed = [key for key in {*before, *after} if before.get(key) != after.get(key)]
    return [
        seen.repair(Kind.CATALOGUE, before=_tag(before.get(key)), after=_tag(after.get(key)))
        for key in sorted(changed)
    ]


def _tag(state: tuple[str, str] | None) -> dict[str, str]:
    return {"name": state[0], "group": state[1]} if state else {}


# Groups


def group_states(chat_ids: Iterable[str]) -> dict[str, GroupState]:
    """Groups by chat_id with whoever is in them now."""
    groups = Group.unsafe_all.filter(chat_id__in=list(chat_ids)).select_related("owner")
    rows = {group.pk: group for group in groups}
    members: dict[int, dict[str, tuple[datetime, int | None]]] = {pk: {} for pk in rows}
    stays = Membership.unsafe_all.current().filter(group_id__in=rows)
    for group_id, userid, joined_at, customer_id in stays.values_list(
        "group_id", "userid", "joined_at", "customer_id"
    ):
        members[group_id][userid] = (joined_at, customer_id)
    return {
        group.chat_id: GroupState(
            pk=pk,
            name=group.name,
            notice=group.notice,
            owner=group.owner.name if group.owner else "",
            is_current=group.dismissed_at is None,
            members=members[pk],
        )
        for pk, group in rows.items()
    }


def group_repairs(
    seen: Witness, before: Mapping[str, GroupState], after: Mapping[str, GroupState]
) -> list[Repair]:
    """The differences between two states of the same groups."""
    repairs: list[Repair] = []
    for chat_id in sorted(after):
        repairs += _group(seen, before.get(chat_id), after[chat_id])
    return repairs


def _group(seen: Witness, old: GroupState | None, new: GroupState) -> list[Repair]:
    now = {"name": new.name, "members": len(new.members)}
    if old is None or (new.is_current and not old.is_current):
        return [seen.repair(Kind.GROUP_MISSING, before={}, after=now, group_id=new.pk)]
    if old.is_current and not new.is_current:
        was = {"name": old.name, "members": len(old.members)}
        return [seen.repair(Kind.GROUP_GONE, before=was, after={}, group_id=new.pk)]
    repairs = []
    if old.owner != new.owner:
        owners = {"before": {"owner": old.owner}, "after": {"owner": new.owner}}
        repairs.append(seen.repair(Kind.GROUP_OWNER, **owners, group_id=new.pk))
    if (old.name, old.notice) != (new.name, new.notice):
        fields = [n for n in ("name", "notice") if getattr(old, n) != getattr(new, n)]
        before = {"fields": fields, "name": old.name}
        after = {"fields": fields, "name": new.name}
        repairs.append(seen.repair(Kind.GROUP_DETAILS, before=before, after=after, group_id=new.pk))
    return repairs + _members(seen, old, new)


def _members(seen: Witness, old: GroupState, new: GroupState) -> list[Repair]:
    repairs = []
    for userid in sorted(new.members):
        joined_at, customer_id = new.members[userid]
        was = old.members.get(userid)
        if was is None or joined_at > was[0]:
            repairs.append(
                seen.repair(
                    Kind.MEMBER_MISSING,
                    before={"joined_at": was[0].isoformat()} if was else {},
                    after={"userid": userid, "joined_at": joined_at.isoformat()},
                    since=joined_at,
                    customer_id=customer_id,
                    group_id=new.pk,
                )
            )
    for userid in sorted(old.members.keys() - new.members.keys()):
        joined_at, customer_id = old.members[userid]
        repairs.append(
            seen.repair(
                Kind.MEMBER_GONE,
                before={"userid": userid, "joined_at": joined_at.isoformat()},
                after={"observed": True},
                customer_id=customer_id,
                group_id=new.pk,
            )
        )
    return repairs


# Agents


def agent_states() -> dict[str, tuple[int, dict[str, Any]]]:
    """(number, what the directory says) by userid."""
    rows = Agent.unsafe_all.values_list("userid", "pk", "name", "department__name", "status")
    return {
        userid: (pk, {"name": name, "department": department or "", "status": status})
        for userid, pk, name, department, status in rows
    }


def agent_repairs(
    seen: Witness,
    before: Mapping[str, tuple[int, dict[str, Any]]],
    after: Mapping[str, tuple[int, dict[str, Any]]],
) -> list[Repair]:
    """Members who came, left, moved or were renamed."""
    repairs = []
    for userid in sorted(after):
        pk, now = after[userid]
        was = before[userid][1] if userid in before else {}
        if was != now:
            fields = [name for name in now if was.get(name) != now[name]]
            repairs.append(
                seen.repair(
                    Kind.AGENT,
                    before={name: was[name] for name in fields if name in was},
                    after={name: now[name] for name in fields},
                    agent_id=pk,
                )
            )
    return repairs
