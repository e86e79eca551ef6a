"""What the people of a send did in the days after it, and before, in one pass over their facts."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from django.db import connection
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from crm.outreach.models import MassSend

BEFORE_DAYS = 180
# {seen}: which customers the viewer may see, as SQL. Money is what was paid less what went back.
_ROWS = """
with arms as (
    select r.customer_id, (r.reason = 'control') as held
    from crm_massrecipient r
    where r.send_id = %(send)s and r.customer_id is not null
      and (r.reason = 'control' or r.batch_id is not null)
), told as (
    select arms.customer_id, arms.held, k.code, f.at, coalesce(f.amount_cents, 0) as cents
    from arms
    join crm_fact f on f.customer_id = arms.customer_id
        and f.at >= %(before)s and f.at < %(until)s
    join crm_factkind k on k.id = f.kind_id and k.code = any(%(codes)s)
)
select arms.customer_id, arms.held,
    coalesce(bool_or(code = 'order_paid') filter (where at >= %(since)s), false)::int,
    coalesce(sum(case code when 'order_paid' then cents when 'order_refunded' then -abs(cents) end)
        filter (where at >= %(since)s), 0),
    coalesce(bool_or(code = 'message_received') filter (where at >= %(since)s), false)::int,
    coalesce(bool_or(code = 'friend_deleted_by_customer') filter (where at >= %(since)s),
        false)::int,
    coalesce(sum(case code when 'order_paid' then cents when 'order_refunded' then -abs(cents) end)
        filter (where at < %(since)s), 0),
    count(*) filter (where code = 'message_received' and at < %(since)s)
from arms left join told using (customer_id, held)
group by arms.customer_id, arms.held
order by arms.customer_id
"""
_CODES = ("order_paid", "order_refunded", "message_received", "friend_deleted_by_customer")

LABELS: dict[str, str | Promise] = {
    "ordered": _("下单"),
    "money": _("人均净收入（元）"),
    "replied": _("回复"),
    "deleted": _("删除好友"),
}
YES_OR_NO = ("ordered", "replied", "deleted")


@dataclass(frozen=True)
class Outcomes:
    """One place per person, by id: drawn as control, what they did, what they had done before."""

    ids: np.ndarray
    held: np.ndarray
    values: dict[str, np.ndarray]
    before: dict[str, np.ndarray]

    def within(self, ids: np.ndarray) -> "Outcomes":
        """Those alone whose ids are listed."""
        kept = np.isin(self.ids, ids)
        return Outcomes(
            self.ids[kept],
            self.held[kept],
            {name: values[kept] for name, values in self.values.items()},
            {name: values[kept] for name, values in self.before.items()},
        )


def outcomes(send: MassSend, *, days: int) -> Outcomes:
    """What everybody drawn or treated did within ``days`` days of the planned time."""
    since = send.send_at
    with connection.cursor() as cursor:
        cursor.execute(
            _ROWS,
            {
                "send": send.pk,
                "codes": list(_CODES),
                "before": since - timedelta(days=BEFORE_DAYS),
                "since": since,
                "until": ends_at(send, days),
            },
        )
        rows = np.array(cursor.fetchall(), dtype=np.float64).reshape(-1, 8)
    return Outcomes(
        ids=rows[:, 0].astype(np.int64),
        held=rows[:, 1].astype(bool),
        values={
            "ordered": rows[:, 2],
            "money": rows[:, 3] / 100,
            "replied": rows[:, 4],
            "deleted": rows[:, 5],
        },
        before={"money": rows[:, 6] / 100, "messages": rows[:, 7]},
    )


def ends_at(send: MassSend, days: int) -> datetime:
    """When the observation is over."""
    return send.send_at + timedelta(days=days)
