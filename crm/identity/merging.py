"""Making two customers one: which row stays, what contradicts, and everything that moves."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Subquery, UniqueConstraint
from django.utils.translation import gettext as _

from crm.catalog.actions import refresh_order_totals
from crm.customers import actions as customers
from crm.customers.models import AttributeChange, Customer
from crm.customers.origins import speak_for
from crm.fields.models import FieldValue
from crm.shared.errors import DomainError
from crm.timeline.actions import append_selected_facts, move_facts

NUMBERS = ("external_userid", "customer_no", "unionid")
FILLED = ("phone", "city", "birthday", "avatar", "channel_id")
# Rows of the one who goes that say nothing new where the one who stays has them too.
SUPERSEDED = ("identityconflict", "archiveconsent", "fieldvalue", "customerpersona", "customerrisk")
FACTS = "fact"

# Which order is the first is decided anew for all of them together.
_REPEATS = """
select customer_id, 'repeat_order' as kind, paid_at as at, null::bigint as agent_id,
       null::bigint as group_id, null::bigint as channel_id, id as order_id, amount_cents,
       'order' as source, order_no || ':repeat' as source_key, '{}'::jsonb as properties
from (
    select o.*, row_number() over (order by paid_at, order_no) as nth
    from crm_order as o
    where customer_id = %(kept)s and status in ('paid', 'completed', 'refunded')
) as numbered
where nth > 1
"""


class MergeRefused(DomainError):
    """These two cannot be made one; the words say what contradicts."""

    code = "merge_refused"


@dataclass(frozen=True)
class Merged:
    """Who stayed, and who went, for the record."""

    kept: Customer
    gone: dict[str, Any]


def contradictions(one: Customer, other: Customer) -> list[str]:
    """Why two rows cannot be one person, in words; empty where nothing speaks against it."""
    words = {
        "external_userid": _("两边各有自己的企业微信编号"),
        "customer_no": _("两边各有自己的客户编号"),
        "unionid": _("两边的 unionid 不同"),
    }
    differing = [
        name
        for name in NUMBERS
        if getattr(one, name)
        and getattr(other, name)
        and getattr(one, name) != getattr(other, name)
    ]
    fields = [
        _("“%(field)s”两边写的不同，先改成一致") % {"field": label} for label in _fields(one, other)
    ]
    return [words[name] for name in differing] + fields


def _fields(one: Customer, other: Customer) -> list[str]:
    """Names of the company's own fields that say something else on each side."""
    theirs = FieldValue.unsafe_all.filter(customer=other, field=OuterRef("field"))
    ours = FieldValue.unsafe_all.filter(customer=one).exclude(
        value=Subquery(theirs.values("value"))
    )
    return list(ours.filter(Exists(theirs)).values_list("field__label", flat=True))


def in_order(one: Customer, other: Customer) -> tuple[Customer, Customer]:
    """Who stays and who goes: whom WeCom knows stays, else the older row."""
    rows = sorted((one, other), key=lambda row: (row.external_userid is None, row.pk))
    return rows[0], rows[1]


def merge(one_id: int, other_id: int, *, now: datetime) -> Merged:
    """Make two customers one, in the caller's transaction. Raises MergeRefused."""
    customers.one_writer()
    locked = Customer.unsafe_all.select_for_update().filter(pk__in=(one_id, other_id))
    rows = list(locked.order_by("pk"))
    if len(rows) != 2:
        raise MergeRefused(_("其中一位已经不在了"))
    kept, gone = in_order(*rows)
    if found := contradictions(kept, gone):
        raise MergeRefused(_("不能合并：%(why)s") % {"why": "；".join(found)})
    # The audit trail outlives an erasure: it says which evidence there was, not what it said.
    record = {"id": gone.pk, "had": [name for name in NUMBERS if getattr(gone, name)]}
    speak_for(AttributeChange.Source.MERGE)
    move_facts(gone=gone.pk, kept=kept.pk, now=now)
    _move_rows(kept, gone)
    _fill(kept, gone)
    gone.delete()
    append_selected_facts(_REPEATS, {"kept": kept.pk}, now=now)
    refresh_order_totals([kept.pk], now=now)
    customers.record_milestones(now, [kept.pk])
    customers.refresh_customers([kept.pk], now)
    customers.recompute_stages([kept.pk], now)
    kept.refresh_from_db()
    return Merged(kept, record)


def _move_rows(kept: Customer, gone: Customer) -> None:
    """Every row that names ``gone`` names ``kept`` from now on, whichever room it is in."""
    for related in Customer._meta.get_fields(include_hidden=True):
        if not related.one_to_many and not related.one_to_one:
            continue
        model, name = related.related_model, related.field.name
        if model._meta.model_name == FACTS:
            continue
        rows = model._base_manager.filter(**{name: gone})
        for others in _unique_with(model, name):
            same = {other: OuterRef(other) for other in others}
            clash = rows.filter(Exists(model._base_manager.filter(**{name: kept}, **same)))
            if model._meta.model_name in SUPERSEDED:
                clash.delete()
            elif clash.exists():
                raise _both_have(model)
        try:
            with transaction.atomic():
                rows.update(**{name: kept})
        except (
            IntegrityError
        ) as clash:  # A constraint with a condition: both are in the same thing.
            raise _both_have(model) from clash


def _both_have(model) -> MergeRefused:
    what = model._meta.verbose_name
    return MergeRefused(_("不能合并：两边都有“%(what)s”，且不能并存") % {"what": what})


def _unique_with(model, name: str) -> list[list[str]]:
    """The other fields of each unique constraint that the field is part of."""
    constraints = [
        constraint.fields
        for constraint in model._meta.constraints
        if isinstance(constraint, UniqueConstraint) and constraint.condition is None
    ]
    groups = [*constraints, *model._meta.unique_together]
    if model._meta.get_field(name).unique:
        groups.append([name])
    return [[field for field in group if field != name] for group in groups if name in group]


def _fill(kept: Customer, gone: Customer) -> None:
    """Take over what only the other row knew; its numbers are free once it has let go of them."""
    for name in (*NUMBERS, *FILLED):
        if not getattr(kept, name):
            setattr(kept, name, getattr(gone, name))
    if kept.name in ("", kept.external_userid):
        kept.name = gone.name
    if not kept.gender:
        kept.gender = gone.gender
    if gone.known_since and (kept.known_since is None or gone.known_since < kept.known_since):
        kept.known_since = gone.known_since
    Customer.unsafe_all.filter(pk=gone.pk).update(**dict.fromkeys(NUMBERS))
    kept.save()
