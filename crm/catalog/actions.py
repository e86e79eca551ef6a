"""What follows for customers from their orders."""

from collections.abc import Sequence

from django.db import connection

_REFRESH = """
update crm_customer as c
set order_count = t.orders, paid_cents = t.cents, last_paid_at = t.last_at
from (
    select ids.id, count(o.id) as orders, coalesce(sum(o.amount_cents), 0) as cents,
           max(o.paid_at) as last_at
    from unnest(%(ids)s::bigint[]) as ids (id)
    left join crm_order as o on o.customer_id = ids.id and o.status in ('paid', 'completed')
    group by ids.id
) as t
where c.id = t.id
    and (c.order_count, c.paid_cents, c.last_paid_at)
        is distinct from (t.orders, t.cents, t.last_at)
"""


def refresh_order_totals(customer_ids: Sequence[int]) -> int:
    """Recount paid orders, their sum and the last payment; returns how many customers changed.

    Refunded orders no longer count: the money is gone.
    """
    with connection.cursor() as cursor:
        cursor.execute(_REFRESH, {"ids": list(customer_ids)})
        return cursor.rowcount
