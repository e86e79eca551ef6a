"""Orders: checked against each other and against what is known, merged, and told as facts."""

from datetime import datetime

from crm.catalog.actions import refresh_order_totals
from crm.ingest import people
from crm.ingest.counts import Counts
from crm.ingest.problems import Problems
from crm.ingest.staging import fetch, find_problems, renew_from, run
from crm.timeline.actions import append_selected_facts

_DUPLICATES = """
select line, order_id, first
from (
    select line, order_id, min(line) over (partition by order_id) as first from staged
) as numbered
where line > first
"""

# An empty cell or an absent column means "not told", never "erase".
_PLAN = """
select s.line, s.order_id, s.customer_id as ref, r.customer_id, o.customer_id as known_customer_id,
       s.status, coalesce(s.paid_at, o.paid_at) as paid_at, s.amount as amount_cents,
       coalesce(s.currency, o.currency, 'CNY') as currency,
       coalesce(s.product, o.product, '') as product,
       coalesce(s.destination, o.destination, '') as destination,
       coalesce(s.start_on, o.start_on) as start_on, coalesce(s.end_on, o.end_on) as end_on,
       s.refunded_at, s.cancelled_at,
       case
           when o.id is null then 'new'
           when (o.status, o.paid_at, o.amount_cents, o.currency, o.product, o.destination,
                 o.start_on, o.end_on)
               is distinct from
                (s.status, coalesce(s.paid_at, o.paid_at), s.amount,
                 coalesce(s.currency, o.currency), coalesce(s.product, o.product),
                 coalesce(s.destination, o.destination), coalesce(s.start_on, o.start_on),
                 coalesce(s.end_on, o.end_on))
           then 'changed'
           else 'same'
       end as verdict
from staged as s
join refs as r on r.ref = s.customer_id
left join crm_order as o on o.order_no = s.order_id
"""

_OF_ANOTHER = """
select p.line, p.order_id, coalesce(c.customer_no, c.external_userid, c.name) as other
from planned as p
join crm_customer as c on c.id = p.known_customer_id
where p.customer_id is distinct from p.known_customer_id
"""

_UNPAID = """
select line, '' from planned
where paid_at is null and status in ('paid', 'completed', 'refunded')
"""

_BACK_TOO_EARLY = """
select line, end_on::text from planned where end_on < start_on
"""

# Of somebody whom nobody knew, these rows are all there is.
_TALLIES = """
select ref,
       count(*) filter (where status in ('paid', 'completed')) as orders,
       coalesce(sum(amount_cents) filter (where status in ('paid', 'completed')), 0) as cents,
       max(paid_at) filter (where status in ('paid', 'completed')) as last_paid_at,
       least(min(paid_at) filter (where status in ('paid', 'completed', 'refunded')),
             min(ended_at)) as first_at,
       greatest(max(paid_at) filter (where status in ('paid', 'completed', 'refunded')),
                max(ended_at)) as last_at
from (
    select *, case status
                  when 'refunded' then coalesce(refunded_at, %(now)s::timestamptz)
                  when 'cancelled' then coalesce(cancelled_at, %(now)s::timestamptz)
              end as ended_at
    from planned where customer_id is null
) as p
group by ref
"""

_WRITE = """
insert into crm_order
    (created_at, updated_at, order_no, customer_id, status, paid_at, amount_cents, currency,
     product, destination, start_on, end_on)
select %(now)s, %(now)s, p.order_id, r.customer_id, p.status, p.paid_at, p.amount_cents,
       p.currency, p.product, p.destination, p.start_on, p.end_on
from planned as p
join refs as r on r.ref = p.ref
where p.verdict <> 'same'
order by p.order_id
on conflict (order_no) do update
set updated_at = excluded.updated_at, status = excluded.status, paid_at = excluded.paid_at,
    amount_cents = excluded.amount_cents, currency = excluded.currency,
    product = excluded.product, destination = excluded.destination,
    start_on = excluded.start_on, end_on = excluded.end_on
"""

_STATE_FACTS = """
select o.customer_id, t.kind as kind, t.at, null::bigint as agent_id, null::bigint as group_id,
       null::bigint as channel_id, o.id as order_id, o.amount_cents, 'order' as source,
       o.order_no || t.suffix as source_key, '{}'::jsonb as properties
from planned as p
join crm_order as o on o.order_no = p.order_id
cross join lateral (values
    ('order_paid', ':paid', o.paid_at, o.status in ('paid', 'completed', 'refunded')),
    ('order_refunded', ':refunded', coalesce(p.refunded_at, %(now)s::timestamptz),
     o.status = 'refunded'),
    ('order_cancelled', ':cancelled', coalesce(p.cancelled_at, %(now)s::timestamptz),
     o.status = 'cancelled')
) as t (kind, suffix, at, holds)
where p.verdict <> 'same' and t.holds
order by source_key
"""

_TOUCHED = """
select distinct r.customer_id
from planned as p join refs as r on r.ref = p.ref
where p.verdict <> 'same'
"""

# An order that turns out not to be the first says so from then on; facts are never taken back.
_REPEAT_FACTS = """
select customer_id, 'repeat_order' as kind, paid_at as at, null::bigint as agent_id,
       null::bigint as group_id, null::bigint as channel_id, id as order_id, amount_cents,
       'order' as source, order_no || ':repeat' as source_key, '{}'::jsonb as properties
from (
    select o.*, row_number() over (partition by customer_id order by paid_at, order_no) as nth
    from crm_order as o
    where customer_id in (select customer_id from touched)
        and status in ('paid', 'completed', 'refunded')
) as numbered
where nth > 1
order by source_key
"""


def check(problems: Problems) -> Counts:
    """Plan every staged order, and add what only the database can know to be wrong."""
    find_problems(problems, _DUPLICATES, field="order_id", code="duplicate", params=["first"])
    unknown = people.resolve_people()
    renew_from("planned", _PLAN)
    find_problems(
        problems, _OF_ANOTHER, field="customer_id", code="other_customers_order", params=["other"]
    )
    find_problems(problems, _UNPAID, field="paid_at", code="paid_without_time")
    find_problems(problems, _BACK_TOO_EARLY, field="end_on", code="end_before_start")
    verdicts = fetch("select verdict, count(*) from planned group by verdict")
    return Counts(people=unknown).take(verdicts)


def write(now: datetime, *, source: str) -> int:
    """Write new and changed orders with their facts; returns how many facts were new.

    Leaves the customers concerned in ``touched``, locked.
    """
    people.open_records(now, _TALLIES, {"now": now}, source=source)
    run(_WRITE, {"now": now})
    facts = append_selected_facts(_STATE_FACTS, {"now": now}, now=now)
    renew_from("touched", _TOUCHED)
    # Two imports may bring orders of one customer: which is the first is decided one by one.
    people.lock_people()
    facts += append_selected_facts(_REPEAT_FACTS, {}, now=now)
    refresh_order_totals(people.touched(), now=now)
    return facts
