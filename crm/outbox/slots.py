"""Taking units of a quota so that nobody can take one too many.

A unit is a row with a number under a unique constraint. Two dispatchers that want the last unit
both try to insert it; the second waits for the first to commit and then gets nothing. A rolling
window reuses its rows: a row is free again one window after it was taken.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection

from crm.outbox.models import OutboxItem, PlatformQuota, QuotaSlot
from crm.shared.times import day_end, local_day

_TAKE = """
with free as (
    select wanted.subject, coalesce(max(slot.n), 0) + 1 as n
    from unnest(%(subjects)s::text[]) as wanted (subject)
    left join crm_quotaslot slot
           on slot.code = %(code)s and slot.bucket = %(bucket)s and slot.subject = wanted.subject
    group by wanted.subject
    having coalesce(max(slot.n), 0) < %(cap)s
    order by wanted.subject
), taken as (
    insert into crm_quotaslot (code, subject, bucket, n, cap, item_id, taken_at, free_at)
    select %(code)s, subject, %(bucket)s, n, %(cap)s, %(item)s, %(now)s, %(free_at)s from free
    on conflict do nothing
    returning subject
)
select (select count(*) from free), array(select subject from taken)
"""

# One window after it was taken a row of a rolling quota may be taken again.
_TAKE_AGAIN = """
update crm_quotaslot
set item_id = %(item)s, taken_at = %(now)s, free_at = %(free_at)s, cap = %(cap)s
where id = (
    select id from crm_quotaslot
    where code = %(code)s and bucket = %(bucket)s and subject = %(subject)s
      and free_at <= %(now)s and n <= %(cap)s
    order by n
    for update skip locked
    limit 1
)
returning subject
"""

_HELD = """
select distinct subject from crm_quotaslot
where code = %(code)s and bucket = %(bucket)s and item_id = %(item)s and free_at > %(now)s
  and subject = any(%(subjects)s)
"""

_NEXT_FREE = """
select min(free_at) from crm_quotaslot
where code = %(code)s and bucket = %(bucket)s and subject = any(%(subjects)s) and n <= %(cap)s
"""

ROLLING = "rolling"


def reserve(
    quota: PlatformQuota, subjects: Sequence[str], *, item: OutboxItem, now: datetime
) -> set[str]:
    """Take one unit for each subject, in the caller's transaction; returns who got one.

    An item that already holds a unit of the same window (it is being retried) keeps it.
    """
    bucket, free_at = _window(quota, now)
    values = {
        "code": quota.code,
        "bucket": bucket,
        "cap": quota.limit,
        "item": item.pk,
        "now": now,
        "free_at": free_at,
    }
    granted = _rows(_HELD, values | {"subjects": list(subjects)})
    missing = sorted(set(subjects) - granted)
    if bucket == ROLLING:
        for subject in missing:
            granted |= _rows(_TAKE_AGAIN, values | {"subject": subject})
        missing = sorted(set(missing) - granted)
    # Whoever lost a number to a neighbour tries the next one: at most as often as there are units.
    for _round in range(quota.limit):
        tried, taken = _take(values, missing)
        granted |= taken
        missing = sorted(set(missing) - taken)
        if not tried or not missing:
            break
    return granted


def next_free(quota: PlatformQuota, subjects: Sequence[str], *, now: datetime) -> datetime:
    """When a unit may be free again for one of the subjects."""
    bucket, free_at = _window(quota, now)
    values = {"code": quota.code, "bucket": bucket, "cap": quota.limit, "subjects": list(subjects)}
    with connection.cursor() as cursor:
        cursor.execute(_NEXT_FREE, values)
        (earliest,) = cursor.fetchone()
    return max(earliest or free_at, now + timedelta(seconds=1))


def exhausted(quota: PlatformQuota, subjects: Sequence[str], *, now: datetime) -> set[str]:
    """Subjects without a free unit in the window of ``now``; takes nothing."""
    bucket, _free_at = _window(quota, now)
    with connection.cursor() as cursor:
        cursor.execute(
            "select subject from crm_quotaslot where code = %s and bucket = %s and free_at > %s"
            " and subject = any(%s) group by subject having count(*) >= %s",
            [quota.code, bucket, now, list(subjects), quota.limit],
        )
        return {subject for (subject,) in cursor.fetchall()}


def _window(quota: PlatformQuota, now: datetime) -> tuple[str, datetime]:
    """The bucket that ``now`` falls into and the instant at which its units are free again."""
    if quota.window == PlatformQuota.Window.ROLLING:
        return ROLLING, now + timedelta(seconds=quota.seconds)
    today = local_day(now)
    if quota.window == PlatformQuota.Window.DAY:
        return today.isoformat(), day_end(today)
    first = today.replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    return f"{today:%Y-%m}", day_end(following - timedelta(days=1))


def _take(values: dict, subjects: list[str]) -> tuple[int, set[str]]:
    """How many subjects had a free number, and which of them got it."""
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, values | {"subjects": subjects})
        tried, taken = cursor.fetchone()
    return tried, set(taken)


def _rows(statement: str, values: dict) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return {subject for (subject,) in cursor.fetchall()}


def forget_free(*, now: datetime) -> int:
    """Delete units that have been free for a day; nothing counts them any more."""
    gone, _per_model = QuotaSlot.objects.filter(free_at__lt=now - timedelta(days=1)).delete()
    return gone
