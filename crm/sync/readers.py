"""How each object is read: in which parts, page by page, and how a complete set is applied."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from crm import wecom
from crm.agents.actions import apply_agent, apply_departments, retire_missing_agents
from crm.agents.models import Agent
from crm.customers.actions import apply_contacts, apply_tags, end_missing_contacts, one_writer
from crm.customers.models import Contact
from crm.groups.actions import apply_groups, dismiss_groups
from crm.groups.models import Group
from crm.sync import comparing, readers_records
from crm.sync.comparing import Witness
from crm.sync.models import SyncObject, SyncRun
from crm.sync.reading import NothingListed, Outcome, Reader, items_of
from crm.wecom.records import ContactSeen, GroupSeen, Page, TagGroupSeen

AGENTS_PER_PART = 100
GROUPS_PER_PART = 20
PAGES_PER_TRANSACTION = 5
TOO_WIDE = 81017
GROUP_IS_GONE = {49008, 40050, 86001, 86003, 90501}


def _all_items(run: SyncRun) -> list[Any]:
    return [item for _asked_at, items in items_of(run) for item in items]


def _several_pages(run: SyncRun) -> Iterator[tuple[datetime, list[Any]]]:
    """Items of a few pages at once, as old as the oldest of them."""
    asked: list[datetime] = []
    gathered: list[Any] = []
    for asked_at, items in items_of(run):
        asked.append(asked_at)
        gathered += items
        if len(asked) == PAGES_PER_TRANSACTION:
            yield min(asked), gathered
            asked, gathered = [], []
    if asked:
        yield min(asked), gathered


# Departments


def _department_page(client: wecom.Client, _part: Any, _cursor: str) -> Page:
    return Page(client.departments(), "")


def _apply_departments(run: SyncRun, now: datetime) -> Outcome:
    rows = _all_items(run)
    if not rows:
        raise NothingListed
    return Outcome(changed=apply_departments(rows, now=now))


# Members


def _member_parts(client: wecom.Client, _now: datetime) -> list[int]:
    return sorted(int(row["id"]) for row in client.departments())


def _member_page(client: wecom.Client, part: int, _cursor: str) -> Page:
    return Page(client.members(part), "")


def _apply_members(run: SyncRun, now: datetime) -> Outcome:
    members = {row["userid"]: row for row in _all_items(run)}
    if not members:
        raise NothingListed
    seen = comparing.witness(run, now)
    with transaction.atomic():
        before = comparing.agent_states()
        for row in members.values():
            apply_agent(row, now=now)
        outcome = Outcome(len(members), retire_missing_agents(set(members), now=now))
        if seen:
            repairs = comparing.agent_repairs(seen, before, comparing.agent_states())
            outcome.repaired = comparing.write_down(repairs)
    return outcome


# Tags


def _tag_page(client: wecom.Client, _part: Any, _cursor: str) -> Page:
    return Page(client.corp_tags_wire(), "")


def _apply_tags(run: SyncRun, now: datetime) -> Outcome:
    groups = [TagGroupSeen.from_wire(row) for row in _all_items(run)]
    seen = comparing.witness(run, now)
    with transaction.atomic():
        one_writer()
        before = comparing.catalogue_state()
        outcome = Outcome(apply_tags(groups, asked_at=run.staged.get().asked_at, now=now))
        if seen:
            repairs = comparing.catalogue_repairs(seen, before, comparing.catalogue_state())
            outcome.repaired = comparing.write_down(repairs)
    return outcome


# Customers and their relations


def _agent_parts(client: wecom.Client, _now: datetime) -> list[list[str]]:
    userids = sorted(client.follow_users())
    return [
        userids[start : start + AGENTS_PER_PART]
        for start in range(0, len(userids), AGENTS_PER_PART)
    ]


def _contact_page(client: wecom.Client, part: list[str], cursor: str) -> Page:
    return client.contacts_page(part, cursor)


def _apply_customers(run: SyncRun, now: datetime) -> Outcome:
    outcome, seen = Outcome(), comparing.witness(run, now)
    for asked_at, items in _several_pages(run):
        with transaction.atomic():
            _apply_contacts(items, outcome, seen, asked_at=asked_at, now=now)
    with transaction.atomic():
        one_writer()
        missing = list(Contact.unsafe_all.filter(pk__in=_missing_contacts(run)))
        if seen:
            outcome.repaired += comparing.write_down(comparing.relations_gone(seen, missing))
        outcome.ended = len(end_missing_contacts(missing, asked_at=now, now=now))
    return outcome


def _apply_contacts(
    items: list[Any], outcome: Outcome, seen: Witness | None, *, asked_at: datetime, now: datetime
) -> None:
    contacts = [ContactSeen.from_pair(item) for item in items]
    pairs = [(c.customer.external_userid, r.userid) for c in contacts for r in c.relations]
    one_writer()
    before = comparing.relation_states(pairs) if seen else {}
    outcome.changed += apply_contacts(contacts, asked_at=asked_at, now=now).changed
    if seen:
        after = comparing.relation_states(pairs)
        outcome.repaired += comparing.write_down(comparing.relation_repairs(seen, before, after))


_MISSING = """
with listed as materialized (
    select item -> 'external_contact' ->> 'external_userid' as external_userid,
           item -> 'follow_info' ->> 'userid' as userid
    from crm_stagedpage page
    cross join lateral jsonb_array_elements(page.items) item
    where page.run_id = %(run)s
)
select contact.id
from crm_contact contact
join crm_customer customer on customer.id = contact.customer_id
join crm_agent agent on agent.id = contact.agent_id
where contact.status = 'active'
  and agent.userid = any(%(asked)s)
  -- What a callback told after we began to read is newer than our pages.
  and (contact.synced_at is null or contact.synced_at < %(began)s)
  and not exists (
    select 1 from listed
    where listed.external_userid = customer.external_userid and listed.userid = agent.userid)
"""


def _missing_contacts(run: SyncRun) -> list[int]:
    """Active relations of the agents we asked about that no page names."""
    asked = [userid for part in run.parts for userid in part if userid not in run.left_out]
    with connection.cursor() as cursor:
        cursor.execute(_MISSING, {"run": run.pk, "asked": asked, "began": run.started_at})
        return [pk for (pk,) in cursor.fetchall()]


# Groups


def _group_parts(client: wecom.Client, _now: datetime) -> list[list[str]]:
    try:
        chat_ids = client.groups()
    except wecom.Refused as refusal:
        if refusal.code != TOO_WIDE:
            raise
        chat_ids = _groups_by_owner(client)
    return [
        chat_ids[start : start + GROUPS_PER_PART]
        for start in range(0, len(chat_ids), GROUPS_PER_PART)
    ]


def _groups_by_owner(client: wecom.Client) -> list[str]:
    """Groups of owners who left come only when those owners are named."""
    known = Agent.unsafe_all.filter(owned_groups__isnull=False).values_list("userid", flat=True)
    owners = sorted({*client.follow_users(), *known})
    found: dict[str, None] = {}
    for start in range(0, len(owners), AGENTS_PER_PART):
        batch = owners[start : start + AGENTS_PER_PART]
        found.update(dict.fromkeys(client.groups(owners=batch)))
    return list(found)


def _group_page(client: wecom.Client, part: list[str], _cursor: str) -> Page:
    items = []
    for chat_id in part:
        try:
            items.append(client.group_wire(chat_id))
        except wecom.Refused as refusal:
            if refusal.code not in GROUP_IS_GONE:
                raise
    return Page(items, "")


def _apply_groups(run: SyncRun, now: datetime) -> Outcome:
    outcome, seen, listed = Outcome(), comparing.witness(run, now), set()
    for asked_at, items in items_of(run):
        groups = [GroupSeen.from_wire(item) for item in items]
        chat_ids = [group.chat_id for group in groups]
        listed.update(chat_ids)
        with transaction.atomic(), _watched_groups(chat_ids, outcome, seen):
            applied = apply_groups(groups, asked_at=asked_at, now=now, closes_stays=True)
        outcome.changed += applied.changed
    with transaction.atomic():
        missing = Group.unsafe_all.current().exclude(chat_id__in=listed)
        missing = missing.filter(synced_at__lt=run.started_at)
        gone = list(missing.values_list("chat_id", flat=True))
        with _watched_groups(gone, outcome, seen):
            outcome.ended = dismiss_groups(gone, at=now, now=now, observed=True)
    return outcome


@contextmanager
def _watched_groups(chat_ids: list[str], outcome: Outcome, seen: Witness | None) -> Iterator[None]:
    """Write down what the work inside puts right in these groups."""
    if seen is None:
        yield
        return
    one_writer()
    before = comparing.group_states(chat_ids)
    yield
    repairs = comparing.group_repairs(seen, before, comparing.group_states(chat_ids))
    outcome.repaired += comparing.write_down(repairs)


def _one_part(_client: wecom.Client, _now: datetime) -> list[Any]:
    return [None]


READERS: dict[str, Reader] = {
    SyncObject.DEPARTMENTS: Reader(_one_part, _department_page, _apply_departments),
    SyncObject.MEMBERS: Reader(_member_parts, _member_page, _apply_members),
    SyncObject.TAGS: Reader(_one_part, _tag_page, _apply_tags),
    SyncObject.CUSTOMERS: Reader(_agent_parts, _contact_page, _apply_customers),
    SyncObject.GROUPS: Reader(_group_parts, _group_page, _apply_groups),
    SyncObject.MOMENTS: readers_records.MOMENTS,
    SyncObject.AGENT_DAYS: readers_records.AGENT_DAYS,
    SyncObject.OWNER_DAYS: readers_records.OWNER_DAYS,
}
