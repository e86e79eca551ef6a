"""What follows for customers from their orders."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

_REFRESH = """
update crm_customer as c
set order_count = t.orders, paid_cents = t.cents, last_paid_at = t.last_paid_at,
    last_fact_at = t.last_fact_at, known_since = least(c.known_since, t.first_fact_at),
    updated_at = %(now)s
from (
    select ids.id, coalesce(o.orders, 0) as orders, coalesce(o.cents, 0) as cents,
           o.last_at as last_paid_at, f.first_at as first_fact_at, f.last_at as last_fact_at
    from unnest(%(ids)s::bigint[]) as ids (id)
    left join (
        select customer_id, count(*) as orders, sum(amount_cents) as cents, max(paid_at) as last_at
        from crm_order
        where customer_id = any(%(ids)s::bigint[]) and status in ('paid', 'completed')
        group by customer_id
    ) as o on o.customer_id = ids.id
    left join (
        select customer_id, min(at) as first_at, max(at) as last_at
        from crm_fact
        where customer_id = any(%(ids)s::bigint[]) and source <> 'derived'
        group by customer_id
    ) as f on f.customer_id = ids.id
) as t
where c.id = t.id
    and (c.order_count, c.paid_cents, c.last_paid_at, c.last_fact_at, c.known_since)
        is distinct from (t.orders, t.cents, t.last_paid_at, t.last_fact_at,
                          least(c.known_since, t.first_fact_at))
"""


def refresh_order_totals(customer_ids: Sequence[int], *, now: datetime) -> int:
    """Recount paid orders, their sum and the last payment, and when something last happened.

    Refunded orders no longer count: the money is gone. All in one update, because an import may
    touch every customer and each update rewrites the row in all its indexes. Returns how many
    customers changed.
    """
    with connection.cursor() as cursor:
        cursor.execute(_REFRESH, {"ids": list(customer_ids), "now": now})
        return cursor.rowcount
