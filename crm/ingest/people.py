"""Who a row is about: resolving customer ids, and opening records for those nobody knows yet.

A ``customer_id`` is the company's own number, else WeCom's id of the external contact. Whoever
bought or did something without being a friend gets a record of their own, so that friends can be
compared with everybody else.
"""

from datetime import datetime
from typing import Any

from django.db import connection

from crm.ingest.staging import chunks, fetch, renew, renew_from, run
from crm.shared.text import search_terms, sort_key

_REFS = """
select r.ref, coalesce(by_number.id, by_contact.id) as customer_id
from (select distinct customer_id as ref from staged) as r
left join crm_customer as by_number on by_number.customer_no = r.ref
left join crm_customer as by_contact on by_contact.external_userid = r.ref
"""

# Totals that are known already go in at once: an update later would write every row again.
_OPEN = """
insert into crm_customer
    (created_at, updated_at, customer_no, name, name_sort, search, avatar, gender, phone, city,
     stage, is_friend, tag_ids, group_count, order_count, paid_cents, last_paid_at, last_fact_at,
     origin, known_since)
select %(now)s, %(now)s, n.ref, n.name, n.name_sort, n.search, '', 0, '', '',
       'acquaintance', false, '{}', 0, coalesce(t.orders, 0), coalesce(t.cents, 0),
       t.last_paid_at, t.last_at, %(source)s, least(%(now)s, t.first_at)
from named as n
left join tallies as t on t.ref = n.ref
order by n.ref
on conflict (customer_no) do nothing
"""

_NO_TALLIES = """
select null::text as ref, 0 as orders, 0 as cents, null::timestamptz as last_paid_at,
       null::timestamptz as first_at, null::timestamptz as last_at
where false
"""

_LOCK = """
select id from crm_customer where id in (select customer_id from touched)
order by id for no key update
"""


def resolve_people() -> int:
    """Make the table ``refs`` (ref, customer_id) of the staged rows; returns how many are new."""
    renew_from("refs", _REFS)
    [(unknown,)] = fetch("select count(*) from refs where customer_id is null")
    return unknown


def open_records(
    now: datetime,
    tallies: str = _NO_TALLIES,
    params: dict[str, Any] | None = None,
    *,
    source: str,
) -> None:
    """A record for every ref that is nobody yet, named by the id until somebody names it better.

    ``tallies`` selects what these rows already say of a ref: ref, orders, cents, last_paid_at,
    first_at, last_at.
    """
    renew_from("tallies", tallies, params)
    name_people("select ref, ref from refs where customer_id is null")
    if run(_OPEN, {"now": now, "source": source}) or fetch("select 1 from named limit 1"):
        # Somebody else may have opened the same record meanwhile: ask again for all of them.
        run(
            "update refs set customer_id = c.id from crm_customer as c"
            " where refs.customer_id is null and c.customer_no = refs.ref"
        )


def name_people(select: str) -> None:
    """Make the table ``named`` (ref, name, name_sort, search): names with what search reads.

    Pinyin is not known to PostgreSQL, so the names take a turn through Python.
    """
    renew("named", "ref text, name text, name_sort text, search text[]")
    for chunk in chunks(select):
        with connection.cursor() as cursor, cursor.copy("copy named from stdin") as copy:
            for ref, name in chunk:
                copy.write_row((ref, name, sort_key(name), search_terms(name)))
    run("analyze named")


def lock_people() -> None:
    """Have the customers in ``touched`` to ourselves until commit; in order, against deadlocks."""
    run(_LOCK)


def touched() -> list[int]:
    """Whom the rows have changed."""
    return [customer_id for (customer_id,) in fetch("select customer_id from touched")]
