"""Taking units of the gate's caps so that nobody can take one too many.

Two dispatchers that want a receiver's last unit both try to insert the same number; the second
waits for the first to commit and then gets nothing. What was received without a unit (before the
rule, or sent by an agent of their own accord) comes off the numbers there are.
"""

from datetime import datetime

from django.db import connection

from crm.gate.judging import window_of
from crm.gate.models import Channel, TouchRule
from crm.shared import faults
from crm.shared.times import local_day

# {receiver}: customer_id or group_id.
_TAKE = """
with wanted as (
    select r.id, r.{receiver} as receiver_id from crm_massrecipient r
    where r.batch_id = %(batch)s and r.state = 'waiting' and r.{receiver} is not null
      and not exists (select from crm_touchslot held
                      where held.recipient_id = r.id and held.code = %(code)s)
), counted as (
    select wanted.*, (
        select count(*) from ({touches}) touch
        where touch.receiver_id = wanted.receiver_id
          and touch.day between %(first)s and %(last)s
          and (cardinality(%(kinds)s::text[]) = 0 or touch.content_kind = any(%(kinds)s::text[]))
          and touch.recipient_id is distinct from wanted.id
          and not exists (select from crm_touchslot taken
                          where taken.recipient_id = touch.recipient_id
                            and taken.code = %(code)s)
    ) as others
    from wanted
), free as (
    select counted.*, (
        select min(number) from generate_series(others + 1, %(cap)s) as number
        where not exists (
            select from crm_touchslot s
            where s.{receiver} = counted.receiver_id and s.code = %(code)s
              and s.bucket = %(bucket)s and s.n = number)
    ) as n
    from counted
), taken as (
    insert into crm_touchslot (code, {receiver}, bucket, n, cap, recipient_id, taken_at)
    select %(code)s, receiver_id, %(bucket)s, n, %(cap)s, id, %(now)s
    from free where n is not null
    order by receiver_id
    on conflict do nothing
    returning 1
)
select (select count(*) from free where n is not null), (select count(*) from taken)
"""

_FULL = """
update crm_massrecipient r
set state = 'skipped', reason = 'own_cap', rule = %(code)s, rule_version = %(version)s
where r.batch_id = %(batch)s and r.state = 'waiting' and r.{receiver} is not null
  and not exists (select from crm_touchslot held
                  where held.recipient_id = r.id and held.code = %(code)s)
"""

# Taken for a call that was put off: another window counts now.
_STALE = """
delete from crm_touchslot s using crm_massrecipient r
where s.recipient_id = r.id and r.batch_id = %(batch)s and s.code = %(code)s
  and s.bucket <> %(bucket)s
"""

_RELEASE = """
delete from crm_touchslot s using crm_massrecipient r
where s.recipient_id = r.id and r.batch_id = %s and r.state in ('skipped', 'failed')
"""


def reserve(rule: TouchRule, *, batch_id: int, touches: str, now: datetime) -> None:
    """Take a unit of a cap for every waiting recipient of a batch, in the caller's transaction.

    Whoever has no room is skipped, with the rule and its version. ``touches`` is as in
    ``judgement``, with the column recipient_id.
    """
    bucket, first, last = window_of(rule, local_day(now))
    values = {"batch": batch_id, "code": rule.code, "version": rule.version, "now": now}
    values |= {"bucket": bucket, "first": first, "last": last, "cap": rule.limit}
    values |= {"kinds": rule.content_kinds}
    receiver = "group_id" if rule.channel == Channel.GROUP else "customer_id"
    with connection.cursor() as cursor:
        cursor.execute(_STALE, values)
        if faults.guarded("gate.slots"):
            # Whoever lost a number to a neighbour tries the next, as often as there are numbers.
            for _round in range(rule.limit + 1):
                cursor.execute(_TAKE.format(touches=touches, receiver=receiver), values)
                tried, taken = cursor.fetchone()
                if tried == taken:
                    break
            cursor.execute(_FULL.format(receiver=receiver), values)


def release(batch_id: int) -> None:
    """Give back the units of recipients who get nothing after all."""
    with connection.cursor() as cursor:
        cursor.execute(_RELEASE, [batch_id])
