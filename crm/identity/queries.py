"""Conflicts with the evidence of both sides."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Max, Min

from crm.agents.models import User
from crm.customers.models import Customer, IdentityConflict
from crm.customers.profile import ORIGINS
from crm.identity.merging import contradictions, in_order
from crm.shared.formatting import masked_phone

LEVELS = {
    IdentityConflict.State.OPEN: "warn",
    IdentityConflict.State.MERGED: "good",
}


@dataclass(frozen=True)
class Side:
    """One of the two rows; without a link where the viewer may not see the customer."""

    id: int | None
    name: str
    origin: str
    external_userid: str
    customer_no: str
    unionid: str
    phone: str
    agents: list[str]
    orders: int
    paid_cents: int
    facts_since: Any
    facts_until: Any
    stays: bool


@dataclass(frozen=True)
class Case:
    """A conflict as a person judges it."""

    sides: tuple[Side, ...]
    contradictions: tuple[str, ...]
    may_judge: bool


def conflicts(user: User, *, state: str = "", kind: str = ""):
    """Conflicts within the user's scope, open ones by default."""
    rows = IdentityConflict.objects.for_user(user).select_related("customer", "other")
    states = IdentityConflict.State
    rows = rows.filter(state=state if state in states.values else states.OPEN)
    return rows.filter(kind=kind) if kind in IdentityConflict.Kind.values else rows


def read_case(conflict: IdentityConflict, user: User) -> Case:
    """Both sides, what contradicts, and whether this user may judge."""
    rows = [row for row in (conflict.customer, conflict.other) if row is not None]
    seen = set(
        Customer.objects.for_user(user)
        .filter(pk__in=[row.pk for row in rows])
        .values_list("pk", flat=True)
    )
    kept = in_order(*rows)[0] if len(rows) == 2 else rows[0]
    return Case(
        sides=tuple(_side(row, row.pk in seen, row.pk == kept.pk) for row in rows),
        contradictions=tuple(contradictions(*rows)) if len(rows) == 2 else (),
        may_judge=len(seen) == len(rows) and conflict.state == IdentityConflict.State.OPEN,
    )


def _side(row: Customer, is_seen: bool, stays: bool) -> Side:
    span = row.facts.aggregate(since=Min("at"), until=Max("at"))
    contacts = row.contacts.current().select_related("agent")
    return Side(
        id=row.pk if is_seen else None,
        name=row.name,
        origin=str(ORIGINS.get(row.origin, row.origin)),
        external_userid=row.external_userid or "",
        customer_no=row.customer_no or "",
        unionid=row.unionid or "",
        phone=masked_phone(row.phone),
        agents=[contact.agent.name for contact in contacts],
        orders=row.order_count,
        paid_cents=row.paid_cents,
        facts_since=span["since"],
        facts_until=span["until"],
        stays=stays,
    )


def shown_evidence(conflict: IdentityConflict) -> str:
    """The evidence in words; a phone is masked like everywhere."""
    if conflict.kind == IdentityConflict.Kind.PHONE_SAME:
        return masked_phone(conflict.evidence)
    return conflict.evidence
