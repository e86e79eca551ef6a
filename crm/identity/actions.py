"""Deciding conflicts: by a person, or by evidence that agrees."""

from datetime import datetime

from django.db import connection, transaction
from django.utils.translation import gettext as _
from django.utils.translation import override

from crm.agents.actions import audit
from crm.agents.models import User
from crm.customers.models import Customer, IdentityConflict
from crm.identity.merging import Merged, MergeRefused, contradictions, merge
from crm.shared.errors import DomainError
from crm.shared.text import clean_text

Kind, State = IdentityConflict.Kind, IdentityConflict.State
# The same unionid is proof where nothing contradicts it.
PROOF = (Kind.UNIONID_TAKEN, Kind.NUMBER_TAKEN)

# A number that an agent noted and one that a file brought: likely the same person, no proof.
_SAME_PHONES = """
insert into crm_identityconflict
    (kind, customer_id, other_id, evidence, first_seen_at, last_seen_at, state, reason)
select 'phone_same', friend.id, filed.id, friend.phone, %(now)s, %(now)s, 'open', ''
from crm_customer friend
join crm_customer filed on filed.phone = friend.phone and filed.external_userid is null
where friend.phone <> '' and friend.external_userid is not null
  and (friend.customer_no is null or filed.customer_no is null)
  and (friend.unionid is null or filed.unionid is null or friend.unionid = filed.unionid)
  and (select count(*) from crm_customer same where same.phone = friend.phone) = 2
order by friend.id
on conflict (kind, customer_id, evidence) do update
set last_seen_at = excluded.last_seen_at, other_id = excluded.other_id
where crm_identityconflict.state = 'open'
"""


class NotOpen(DomainError):
    """Somebody has decided already, or the actor may not decide."""

    code = "not_open"


@transaction.atomic
def merge_conflict(*, conflict_id: int, by: User | None, now: datetime, reason: str = "") -> Merged:
    """The two are one person. Raises NotOpen and MergeRefused; then nothing has changed."""
    conflict = _open(conflict_id, by)
    if conflict.other_id is None:
        raise MergeRefused(_("只有一位客户，没有可合并的"))
    done = merge(conflict.customer_id, conflict.other_id, now=now)
    # The row itself went along with the customer; it may have given way to one of the other side.
    rows = IdentityConflict.unsafe_all.filter(pk=conflict_id)
    rows.update(customer=done.kept, other=None, **_resolved(State.MERGED, by, now, reason))
    audit(by, "identity.merge", done.kept, now=now, reason=reason, gone=done.gone)
    return done


@transaction.atomic
def keep_apart(*, conflict_id: int, by: User, now: datetime, reason: str) -> None:
    """They are two people (or the old evidence stands); it is not asked again. Raises NotOpen."""
    reason = clean_text(reason, limit=255)
    if not reason:
        raise NotOpen(_("请写明依据"), field="reason")
    conflict = _open(conflict_id, by)
    rows = IdentityConflict.unsafe_all.filter(pk=conflict.pk)
    rows.update(**_resolved(State.APART, by, now, reason))
    audit(by, "identity.apart", conflict, now=now, reason=reason)


def _open(conflict_id: int, by: User | None) -> IdentityConflict:
    conflict = IdentityConflict.unsafe_all.select_for_update().get(pk=conflict_id)
    if conflict.state != State.OPEN:
        raise NotOpen(_("已经有人判断过了"))
    ids = {conflict.customer_id, conflict.other_id} - {None}
    if by is not None and Customer.objects.for_user(by).filter(pk__in=ids).count() < len(ids):
        raise NotOpen(_("两位客户都在您的范围内时才能判断"))
    return conflict


def _resolved(state: str, by: User | None, now: datetime, reason: str) -> dict:
    return {"state": state, "resolved_at": now, "resolved_by": by, "reason": reason[:255]}


def merge_agreeing(*, now: datetime, limit: int = 200) -> int:
    """Merge those whose evidence is proof and whose rows contradict in nothing; returns how many.

    Running twice or at once merges nobody twice: the conflict's row is locked and asked again.
    """
    with override("zh-hans"):
        reason = _("unionid 相同，且没有相反的证据")
    pairs = IdentityConflict.unsafe_all.open().filter(kind__in=PROOF, other__isnull=False)
    merged = 0
    for conflict in pairs.select_related("customer", "other").order_by("pk")[:limit]:
        if not is_proof(conflict):
            continue
        try:
            merge_conflict(conflict_id=conflict.pk, by=None, now=now, reason=reason)
        except (NotOpen, MergeRefused, IdentityConflict.DoesNotExist):
            continue
        merged += 1
    return merged


def is_proof(conflict: IdentityConflict) -> bool:
    """Whether the evidence of a conflict proves that both rows are one person."""
    one, other = conflict.customer, conflict.other
    if other is None or contradictions(one, other):
        return False
    if conflict.kind == Kind.UNIONID_TAKEN:
        return conflict.evidence in (one.unionid, other.unionid)
    # A customer number that is the other's external_userid: the file named the person by it.
    return conflict.kind == Kind.NUMBER_TAKEN and conflict.evidence in (
        *(one.external_userid, one.customer_no),
        *(other.external_userid, other.customer_no),
    )


def note_same_phones(*, now: datetime) -> int:
    """Write down pairs with the same phone for a person to judge; returns rows written."""
    with connection.cursor() as cursor:
        cursor.execute(_SAME_PHONES, {"now": now})
        return cursor.rowcount
