"""Promotional touches with what was known before them and what followed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from django.db import connection

from crm.risk.features import FEATURES, HORIZON_DAYS
from crm.risk.observing import RAW, known_sql, known_values

LOOK_BACK = timedelta(days=365)
MOST = 200_000
"""The newest so many touches; more make a fit slower, not surer."""

# What was known is read when the message was handed over; what follows counts from its arrival.
_ASKED = """
select r.id as key, r.customer_id, r.agent_id, slot.taken_at as at
from crm_massrecipient r
join crm_masssend s on s.id = r.send_id and s.content_kind = 'promotion'
join crm_sendslot slot on slot.recipient_id = r.id
where r.state = 'done' and r.customer_id is not null and r.agent_id is not null
    and slot.taken_at >= %(since)s
    and coalesce(r.sent_at, slot.taken_at) <= %(until)s
order by slot.taken_at desc, r.id desc
limit %(most)s
"""
_READ = """
with known as ({known})
select known.customer_id,
    extract(epoch from arrived.at)::float,
    (exists (
        select from crm_fact gone
        where gone.customer_id = known.customer_id and gone.agent_id = known.agent_id
            and gone.kind_id = %(deleted)s and gone.at > arrived.at
            and gone.at <= arrived.at + interval '{horizon} days'
    ))::int,
    {raw}
from known
join crm_massrecipient r on r.id = known.key
cross join lateral (select coalesce(r.sent_at, known.at) as at) arrived
order by 2, known.key
"""


@dataclass(frozen=True)
class Observations:
    """Touches in the order of time: whose, when (seconds), whether deleted, raw features."""

    customers: np.ndarray
    at: np.ndarray
    deleted: np.ndarray
    raw: np.ndarray

    def where(self, chosen: np.ndarray) -> "Observations":
        """Only the chosen rows."""
        return Observations(
            self.customers[chosen], self.at[chosen], self.deleted[chosen], self.raw[chosen]
        )

    def __len__(self) -> int:
        return len(self.at)


def observe(*, now: datetime) -> Observations:
    """Touches whose seven days are over."""
    values = known_values() | {
        "since": now - LOOK_BACK,
        "until": now - timedelta(days=HORIZON_DAYS),
        "most": MOST,
    }
    statement = _READ.format(known=known_sql(_ASKED), raw=RAW, horizon=HORIZON_DAYS)
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows = np.array(cursor.fetchall(), dtype=float).reshape(-1, 3 + len(FEATURES))
    return Observations(
        rows[:, 0].astype(np.int64), rows[:, 1], rows[:, 2].astype(np.int8), rows[:, 3:]
    )
