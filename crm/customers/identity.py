"""Who is who: people seen at WeCom become customers, or turn out to be customers already.

Evidence, strongest first: the external_userid, the unionid, the company's own customer number
(imported files may carry the external_userid as number). Evidence that contradicts itself never
merges anybody; it is written down as an IdentityConflict and work goes on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection
from django.db.models import Q

from crm.customers.forgetting import erased_since
from crm.customers.models import Customer, IdentityConflict
from crm.wecom.records import ExternalSeen

_WRITER_LOCK = 7_302_001
_WRITTEN = ["external_userid", "unionid", "name", "name_sort", "search", "avatar", "gender"]
Kind = IdentityConflict.Kind


def one_writer() -> None:
    """Let one transaction at a time apply what WeCom said; the lock goes with the transaction.

    Sync and callbacks would otherwise decide on rows that the other is about to change.
    """
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", [_WRITER_LOCK])


@dataclass
class _Known:
    """Existing customers that the people seen may be, by each kind of evidence."""

    by_external: dict[str, Customer] = field(default_factory=dict)
    by_unionid: dict[str, Customer] = field(default_factory=dict)
    by_number: dict[str, Customer] = field(default_factory=dict)

    def add(self, row: Customer) -> None:
        if row.external_userid:
            self.by_external[row.external_userid] = row
        elif row.customer_no:
            self.by_number[row.customer_no] = row
        if row.unionid:
            self.by_unionid[row.unionid] = row


@dataclass(frozen=True)
class _Conflict:
    kind: Kind
    customer: Customer
    other: Customer | None
    evidence: str


def ensure_customers(
    people: Sequence[ExternalSeen], *, asked_at: datetime, now: datetime, origin: str = "wecom"
) -> dict[str, int]:
    """Insert or update these people; returns their ids by external_userid.

    ``asked_at`` is when WeCom was asked: rows that a later question has written stay as they are,
    and whoever was erased since is not in the answer.
    Call it inside a transaction that holds ``one_writer``.
    """
    seen = {person.external_userid: person for person in people}
    known = _load(seen.values())
    gone = erased_since(seen.keys() - known.by_external.keys())
    for external_userid, erased_at in gone.items():
        if asked_at <= erased_at:
            del seen[external_userid]
    new: list[Customer] = []
    changed: list[Customer] = []
    conflicts: list[_Conflict] = []
    for person in seen.values():
        row = known.by_external.get(person.external_userid)
        if row is None:
            row = _joined(person, known, conflicts)
            if row is None:
                row = _newcomer(person, known, conflicts, origin=origin, now=now)
                # Who is known by number only is overwritten by whoever knows more.
                row.synced_at = asked_at if person.name else None
                new.append(row)
                known.add(row)
                continue
            _copy(person, row, now=asked_at)
            changed.append(row)
            known.add(row)
        elif row.synced_at is None or row.synced_at <= asked_at:
            adopted = _adopt_unionid(person, row, known, conflicts)
            if _copy(person, row, now=asked_at) or adopted:
                changed.append(row)
    Customer.unsafe_all.bulk_create(new, batch_size=1000)
    for row in changed:
        row.updated_at = now
    Customer.unsafe_all.bulk_update(changed, [*_WRITTEN, "synced_at", "updated_at"], batch_size=500)
    _write_down(conflicts, now)
    return {key: known.by_external[key].pk for key in seen}


def _load(people: Iterable[ExternalSeen]) -> _Known:
    keys = [person.external_userid for person in people]
    unionids = [person.unionid for person in people if person.unionid]
    known = _Known()
    rows = Customer.unsafe_all.filter(
        Q(external_userid__in=keys)
        | Q(unionid__in=unionids)
        | Q(customer_no__in=keys, external_userid__isnull=True)
    )
    # Everybody locks customers in the order of their ids, so nobody waits for one another.
    for row in rows.order_by("pk").select_for_update(no_key=True):
        known.add(row)
    return known


def _joined(person: ExternalSeen, known: _Known, conflicts: list[_Conflict]) -> Customer | None:
    """The customer without external_userid whom this person proves to be."""
    numbered = known.by_number.get(person.external_userid)
    twin = known.by_unionid.get(person.unionid) if person.unionid else None
    if twin is not None and twin.external_userid is None:
        if numbered is not None and numbered is not twin:
            conflicts.append(_Conflict(Kind.NUMBER_TAKEN, twin, numbered, person.external_userid))
        row = twin
    elif numbered is None or _contradicts(person, numbered, twin):
        return None
    else:
        row = numbered
        row.unionid = row.unionid or person.unionid or None
    row.external_userid = person.external_userid
    return row


def _contradicts(person: ExternalSeen, row: Customer, twin: Customer | None) -> bool:
    other_unionid = bool(person.unionid and row.unionid and row.unionid != person.unionid)
    return other_unionid or (twin is not None and twin is not row)


def _newcomer(
    person: ExternalSeen,
    known: _Known,
    conflicts: list[_Conflict],
    *,
    origin: str,
    now: datetime,
) -> Customer:
    row = Customer(
        external_userid=person.external_userid,
        unionid=person.unionid or None,
        name=person.name or person.external_userid,
        avatar=person.avatar,
        gender=person.gender,
        origin=origin,
        known_since=now,
    )
    twin = known.by_unionid.get(person.unionid) if person.unionid else None
    if twin is not None:
        row.unionid = None
        conflicts.append(_Conflict(Kind.UNIONID_TAKEN, row, twin, person.unionid))
    numbered = known.by_number.get(person.external_userid)
    if numbered is not None:
        conflicts.append(_Conflict(Kind.NUMBER_TAKEN, row, numbered, person.external_userid))
    row.refresh_search()
    return row


def _adopt_unionid(
    person: ExternalSeen, row: Customer, known: _Known, conflicts: list[_Conflict]
) -> bool:
    """Take the unionid over where the customer had none and nobody else has it."""
    if not person.unionid or row.unionid == person.unionid:
        return False
    owner = known.by_unionid.get(person.unionid)
    if row.unionid:
        conflicts.append(_Conflict(Kind.UNIONID_CHANGED, row, owner, person.unionid))
        return False
    if owner is not None:
        conflicts.append(_Conflict(Kind.UNIONID_TAKEN, row, owner, person.unionid))
        return False
    row.unionid = person.unionid
    known.by_unionid[person.unionid] = row
    return True


def _copy(person: ExternalSeen, row: Customer, *, now: datetime) -> bool:
    """Take over what WeCom shows; empty values there (a group's list) overwrite nothing."""
    values = {"name": person.name, "avatar": person.avatar, "gender": person.gender}
    differing = {k: v for k, v in values.items() if v and getattr(row, k) != v}
    for name, value in differing.items():
        setattr(row, name, value)
    if "name" in differing:
        row.refresh_search()  # Pinyin is dear; only renamed people pay for it.
    if differing or row.synced_at is None:
        row.synced_at = now
    return bool(differing)


def _write_down(conflicts: list[_Conflict], now: datetime) -> None:
    IdentityConflict.unsafe_all.bulk_create(
        [
            IdentityConflict(
                kind=conflict.kind,
                customer=conflict.customer,
                other=conflict.other,
                evidence=conflict.evidence,
                first_seen_at=now,
                last_seen_at=now,
            )
            for conflict in conflicts
        ],
        update_conflicts=True,
        unique_fields=["kind", "customer", "evidence"],
        update_fields=["last_seen_at", "other"],
    )
