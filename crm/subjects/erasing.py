"""Taking a person out of every table, in one transaction.

What cannot be undone is said first: nobody may have the person as friend, and no group as member,
because WeCom would tell us of them again. Rows go in the order of ``HOLDINGS``; triggers take them
out of figures, segments and past states, and the column files follow by ``FactRemoval``.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import F, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils.translation import gettext as _
from psycopg import sql

from crm.archive.media import media_path
from crm.archive.models import ArchivedMedia
from crm.audiences.models import Audience
from crm.callbacks.models import InboxEvent
from crm.customers.actions import one_writer
from crm.customers.forgetting import remember_erased
from crm.customers.models import Contact, Customer
from crm.groups.models import Membership
from crm.imports.models import FileImport
from crm.outbox.models import OutboxItem
from crm.shared.errors import DomainError
from crm.subjects.holdings import HOLDINGS, Erase, Holding
from crm.timeline.actions import forget_facts

_GROUP_TALK = """
update crm_archivedmessage
set receivers = array_replace(receivers, %(number)s, %(gone)s),
    content = replace(content::text, %(quoted)s, %(gone_quoted)s)::jsonb
where group_id = any(%(groups)s::bigint[]) and %(number)s = any(receivers)
"""
SHORTEST = 6
"""Shorter numbers are not sought in texts: they would be found where they mean something else."""
GONE = "erased"

# Quoted, so that a number is replaced as a whole and never inside another one.
_RENAME = """
update {table} set {column} = replace({column}::text, %(quoted)s, %(gone)s)::jsonb
where {column}::text like %(pattern)s
"""


class EraseRefused(DomainError):
    """The person cannot be erased now; the words say what to do first."""

    code = "erase_refused"


def standing(customer: Customer) -> list[str]:
    """Where WeCom still knows the person, in words; empty where nothing stands in the way."""
    friends = Contact.unsafe_all.current().filter(customer=customer).select_related("agent")
    stays = Membership.unsafe_all.current().filter(customer=customer).select_related("group")
    words = [_("仍是 %(agent)s 的好友") % {"agent": one.agent.name} for one in friends]
    return words + [_("仍在客户群“%(group)s”") % {"group": one.group.name} for one in stays]


@transaction.atomic
def erase(customer_id: int, *, now: datetime) -> dict[str, int]:
    """Take the person out of every table; rows by table. Raises EraseRefused, changing nothing."""
    one_writer()
    customer = Customer.unsafe_all.select_for_update().filter(pk=customer_id).first()
    if customer is None:
        raise EraseRefused(_("这位客户已经不在了"))
    if left := standing(customer):
        words = _("先在企业微信里解除关系，否则下次同步又会带回来：%(where)s")
        raise EraseRefused(words % {"where": "；".join(left)})
    if customer.external_userid:
        remember_erased(customer.external_userid, at=now)
    numbers = numbers_of(customer)
    counts: Counter[str] = Counter()
    files = [media_path(one) for one in ArchivedMedia.objects.filter(message__customer=customer)]
    Audience.unsafe_all.filter(members__customer=customer).update(
        customer_count=F("customer_count") - 1
    )
    counts.update(_take_out_of_texts(numbers, now))
    _take_out_of_group_talk(customer)
    for holding in HOLDINGS:
        if holding.customer:
            counts[holding.model] += _take_out(holding, customer, now)
    for path in files:
        transaction.on_commit(lambda path=path: path.unlink(missing_ok=True))
    return {model: n for model, n in counts.items() if n}


def numbers_of(customer: Customer) -> list[str]:
    """What the outside calls the person, as far as it may be sought in texts."""
    named = (customer.external_userid, customer.unionid, customer.customer_no, customer.phone)
    return [number for number in named if number and len(number) >= SHORTEST]


def _take_out(holding: Holding, customer: Customer, now: datetime) -> int:
    if holding.model == "crm.Fact":
        return forget_facts(customer.pk, now=now)
    rows = holding.rows_of(customer.pk)
    if holding.erase == Erase.DELETE:
        return rows.order_by()._raw_delete(rows.db) if _is_plain(holding) else rows.delete()[0]
    if holding.erase == Erase.UNTIE:
        return _untie(holding, rows)
    return 0


def _is_plain(holding: Holding) -> bool:
    """Whether nothing hangs on the rows: then they need not be read to be deleted."""
    related = holding.table._meta.related_objects
    return not related and "__" not in holding.customer


def _untie(holding: Holding, rows: QuerySet) -> int:
    """Rows that count for others stay, without the person."""
    changes: dict[str, Any] = {holding.customer: None} | holding.blank
    if holding.model == "crm.Membership":
        for row in rows:
            type(row)._base_manager.filter(pk=row.pk).update(**changes, userid=f"{GONE}-{row.pk}")
        return len(rows)
    if holding.model == "crm.SubjectRequest":
        changes["asked_how"] = ""
    return rows.update(**changes)


def _take_out_of_texts(numbers: Sequence[str], now: datetime) -> Counter[str]:
    """Queue items, callbacks, answers and samples in which a number of the person stands."""
    counts: Counter[str] = Counter()
    for number in numbers:
        counts["crm.InboxEvent"] += InboxEvent.objects.filter(message__contains=number).delete()[0]
        counts["crm.OutboxItem"] += _call_off(number, now)
        for holding in HOLDINGS:
            for column in holding.texts:
                counts[holding.model] += _rename(holding, column, number)
        for model, column in (("crm.KeptAnswer", "answer"), ("crm.FileImport", "sample")):
            counts[model] += _drop_from(model, column, number)
    exact = {"crm.WelcomeSent": "external_userid", "crm.IdentityConflict": "evidence"}
    for model, column in exact.items():
        rows = next(one for one in HOLDINGS if one.model == model).rows()
        counts[model] += rows.filter(**{f"{column}__in": numbers}).delete()[0]
    Membership.unsafe_all.filter(invited_by__in=numbers).update(invited_by="")
    return counts


def _take_out_of_group_talk(customer: Customer) -> None:
    """What others said in the person's groups names whoever could read it."""
    if not customer.external_userid:
        return
    groups = Membership.unsafe_all.filter(customer=customer).values_list("group_id", flat=True)
    values = {
        "groups": list(groups),
        "number": customer.external_userid,
        "quoted": f'"{customer.external_userid}"',
        "gone": GONE,
        "gone_quoted": f'"{GONE}"',
    }
    with connection.cursor() as cursor:
        cursor.execute(_GROUP_TALK, values)


def _call_off(number: str, now: datetime) -> int:
    """What waits to be sent to this person alone is not sent."""
    waiting = OutboxItem.unsafe_all.filter(state=OutboxItem.State.WAITING)
    rows = waiting.filter(payload__external_userid=number)
    return rows.update(
        state=OutboxItem.State.SKIPPED, reason_code=GONE, finished_at=now, updated_at=now
    )


def _rename(holding: Holding, column: str, number: str) -> int:
    statement = sql.SQL(_RENAME).format(
        table=sql.Identifier(holding.table._meta.db_table), column=sql.Identifier(column)
    )
    quoted = f'"{number}"'
    with connection.cursor() as cursor:
        cursor.execute(statement, {"quoted": quoted, "gone": f'"{GONE}"', "pattern": f"%{quoted}%"})
        return cursor.rowcount


def _drop_from(model: str, column: str, number: str) -> int:
    """Rows of a file's sample with the number go; a kept answer goes as a whole."""
    rows = next(one for one in HOLDINGS if one.model == model).rows()
    told = rows.annotate(told=Cast(column, TextField()))
    found = list(told.filter(told__contains=number))
    for row in found:
        if isinstance(row, FileImport):
            kept = [line for line in row.sample if number not in str(line)]
            FileImport.unsafe_all.filter(pk=row.pk).update(sample=kept)
        else:
            row.delete()
    return len(found)
