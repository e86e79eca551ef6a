"""The tables that rules read, as they stood at an instant.

Common table expressions take the names of the tables, so that a rule's condition is the same SQL
for today and for any other day. Two readings: by what is known today of that instant (a late fact
counts on the day it happened), or, with ``as_known``, by what was written down by then, which gives
an audience's list again, id by id.
"""

from dataclasses import dataclass
from datetime import datetime
from string import Template

from django.db import connection, transaction

from analytics.segments.compiling import Setting, predicate
from analytics.segments.history import PastSince
from analytics.segments.rule import Node


@dataclass(frozen=True)
class Instant:
    """When, and whether only what was written by then counts."""

    at: datetime
    as_known: bool = False


def _kept(table: str, columns: str) -> str:
    """A table's rows as written down: the earliest state that lasted longer, else today's."""
    past = f"analytics_{table}past"
    return f"""
        select {columns} from crm_{table} r
        where not exists (select from {past} p where p.row_id = r.id and p.until > $at)
          and (not $as_known or r.created_at <= $at)
        union all
        select {columns.replace("r.id", "r.row_id")} from {past} r
        where r.until > $at and (not $as_known or r.came_at <= $at)
          and not exists (
            select from {past} p
            where p.row_id = r.row_id and p.until > $at and (p.until, p.id) < (r.until, r.id))
    """  # noqa: S608 - names of tables and columns of ours


_CONTACT = "r.customer_id, r.agent_id, r.added_at, r.ended_at"
_STAY = "r.customer_id, r.group_id, r.joined_at, r.left_at"
_ORDER = "r.id, r.customer_id, r.status, r.paid_at, r.amount_cents, r.start_on, r.end_on"
_CUSTOMER = (
    "r.id, r.stage, r.channel_id, r.gender, r.city, r.birthday, r.is_friend, r.friend_since,"
    " r.tag_ids"
)
# By today's knowledge rows that tell their own dates are dated by these. A relation that was ended
# and begun anew has one row: its earlier times are the last states with another beginning.
_DATED_CONTACTS = f"""
        select {_CONTACT} from crm_contact r
        union all
        select r.customer_id, r.agent_id, r.added_at, coalesce(r.ended_at, r.until)
        from analytics_contactpast r
        where not exists (
            select from crm_contact c where c.id = r.row_id and c.added_at = r.added_at)
          and not exists (
            select from analytics_contactpast p
            where p.row_id = r.row_id and p.added_at = r.added_at
              and (p.until, p.id) > (r.until, r.id))
"""  # noqa: S608 - names of columns of ours
_DATED_ORDERS = """
        select customer_id, start_on, end_on, paid_at, amount_cents,
            case
                when paid_at > $at then 'pending'
                when status = 'refunded' and exists (
                    select from crm_fact f join crm_factkind k on k.id = f.kind_id
                    where f.order_id = o.id and f.customer_id = o.customer_id
                      and k.code = 'order_refunded'
                    having min(f.at) > $at) then 'paid'
                else status
            end as status
        from crm_order o
"""


def _tables(contacts: str, stays: str, orders: str) -> str:
    return f"""
with crm_contact as not materialized (
    select customer_id, agent_id,
           case when added_at <= $at and (ended_at is null or ended_at > $at)
                then 'active' else 'ended' end as status
    from ({contacts}) r
), crm_membership as not materialized (
    select customer_id, group_id, null::timestamptz as left_at from ({stays}) r
    where joined_at <= $at and (left_at is null or left_at > $at)
), crm_group as not materialized (
    select id, case when dismissed_at <= $at then dismissed_at end as dismissed_at from crm_group
), crm_order as not materialized (
    {orders}
), crm_fact as not materialized (
    select customer_id, kind_id, at, source, properties from crm_fact
    where at <= $at and (not $as_known or recorded_at <= $at)
), crm_fieldvalue as not materialized (
    select customer_id, field_id, value from crm_fieldvalue where said_at <= $at
), rows as not materialized (
    {_kept("customer", _CUSTOMER)}
), crm_customer as not materialized (
    select c.id, r.stage, r.channel_id, r.gender, r.city, r.birthday, r.tag_ids,
           case when r.friend_since <= $at then r.friend_since end as friend_since,
           case when not $as_known
                    and exists (select from crm_contact k where k.customer_id = c.id)
                then exists (select from crm_contact k
                             where k.customer_id = c.id and k.status = 'active')
                else r.is_friend and coalesce(r.friend_since <= $at, true)
           end as is_friend,
           (select count(*) from crm_order o
            where o.customer_id = c.id and o.status in ('paid', 'completed')) as order_count,
           (select coalesce(sum(o.amount_cents), 0) from crm_order o
            where o.customer_id = c.id and o.status in ('paid', 'completed')) as paid_cents,
           (select max(o.paid_at) from crm_order o
            where o.customer_id = c.id and o.status in ('paid', 'completed')) as last_paid_at,
           (select count(distinct m.group_id) from crm_membership m
            join crm_group g on g.id = m.group_id and g.dismissed_at is null
            where m.customer_id = c.id) as group_count,
           (select max(f.at) from crm_fact f join crm_factkind k on k.id = f.kind_id
            where f.customer_id = c.id and k.code = 'message_received') as last_message_at,
           (select max(f.at) from crm_fact f
            where f.customer_id = c.id and f.source <> 'derived') as last_fact_at
    from crm_customer c join rows r on r.id = c.id
    where ($as_known and c.created_at <= $at)
       or (not $as_known and coalesce(c.known_since, c.created_at) <= $at)
)
"""  # noqa: S608 - nothing but the pieces above


_BY_TODAY = _tables(_DATED_CONTACTS, f"select {_STAY} from crm_membership r", _DATED_ORDERS)  # noqa: S608
_AS_KNOWN = _tables(_kept("contact", _CONTACT), _kept("membership", _STAY), _kept("order", _ORDER))


def _then(instant: Instant) -> str:
    """The tables at the instant; its values are written as literals for the planner's sake."""
    text = _AS_KNOWN if instant.as_known else _BY_TODAY
    moment = f"timestamptz '{instant.at.isoformat()}'"
    return Template(text).substitute(at=moment, as_known=str(instant.as_known).lower())


def ids_then(rule: Node, setting: Setting, instant: Instant) -> list[int]:
    """Everybody who answered the rule at the instant, ascending; the scope is the caller's."""
    condition = predicate(rule, setting)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"{_then(instant)} select id from crm_customer where {condition.sql} order by id",  # noqa: S608 - text of ours alone
            condition.params,
        )
        return [pk for (pk,) in cursor.fetchall()]


def kept_since() -> datetime | None:
    """Since when the database keeps earlier states of attributes."""
    return PastSince.objects.values_list("since", flat=True).first()
