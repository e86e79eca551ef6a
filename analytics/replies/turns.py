"""Customer turns out of the timeline: who wrote when, and when the agent answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from django.db import connection

from crm.shared.times import corp_zone

LONGEST_WAIT = timedelta(days=7)

# Messages that a machine sent answer nobody.
_TURNS = """
with messages as (
    select agent_id, customer_id, at, id, kind_id,
           lag(kind_id) over talk as kind_before, lag(at) over talk as at_before
    from crm_fact
    where agent_id = any(%(agents)s::bigint[]) and kind_id in (7, 8)
      and at >= %(since)s - interval '7 days' and at < %(until)s + interval '7 days'
      and at <= %(as_of)s and not (kind_id = 8 and properties @> '{"machine": true}')
    window talk as (partition by agent_id, customer_id order by at, id)
),
edges as (
    -- Only where a turn begins and where one is answered: what follows a beginning is its answer,
    -- or the next beginning.
    select agent_id, customer_id, at, kind_id,
           lead(kind_id) over talk as kind_after, lead(at) over talk as at_after
    from messages
    where (kind_id = 8 and kind_before = 7)
       or (kind_id = 7 and (kind_before is null or kind_before = 8
                            or at_before < at - interval '7 days'))
    window talk as (partition by agent_id, customer_id order by at, id)
)
select agent_id, customer_id, extract(epoch from at)::float8,
       case when kind_after = 8 and at_after <= at + interval '7 days'
            then extract(epoch from at_after)::float8 end
from edges
where kind_id = 7 and at >= %(since)s and at < %(until)s
order by agent_id, customer_id, at
"""

_SAME_DAY = """
with chats as (
    select agent_id, customer_id, (at at time zone %(zone)s)::date as on_day,
           (array_agg(kind_id order by at, id))[1] as first_kind, bool_or(kind_id = 8) as answered
    from crm_fact
    where agent_id = any(%(agents)s::bigint[]) and kind_id in (7, 8)
      and at >= %(since)s and at < %(until)s and at <= %(as_of)s
      and not (kind_id = 8 and properties @> '{"machine": true}')
    group by agent_id, customer_id, on_day
)
select agent_id, count(*) filter (where answered), count(*)
from chats
where first_kind = 7
group by agent_id
"""


@dataclass(frozen=True)
class Turns:
    """Turns as columns, in order of agent, customer and time; instants in Unix seconds.

    ``ended`` is the answer, or where there is none the last instant at which it was known to wait.
    """

    agent: np.ndarray
    customer: np.ndarray
    start: np.ndarray
    ended: np.ndarray
    is_answered: np.ndarray

    def __len__(self) -> int:
        return len(self.start)

    def of(self, agent_id: int) -> slice:
        """Where the turns of one agent stand."""
        low, high = np.searchsorted(self.agent, [agent_id, agent_id + 1])
        return slice(int(low), int(high))


def turns(agents: Sequence[int], *, since: datetime, until: datetime, as_of: datetime) -> Turns:
    """Turns that began from ``since`` until before ``until``, as they stood at ``as_of``."""
    values = {"agents": sorted(agents), "since": since, "until": until, "as_of": as_of}
    with connection.cursor() as cursor:
        cursor.execute(_TURNS, values)
        found = cursor.fetchall()
    columns = list(zip(*found, strict=True)) or [(), (), (), ()]
    start = np.array(columns[2], dtype=np.float64)
    answered = np.array(columns[3], dtype=np.float64)  # None becomes nan.
    cut = np.minimum(start + LONGEST_WAIT.total_seconds(), as_of.timestamp())
    is_answered = ~np.isnan(answered)
    return Turns(
        agent=np.array(columns[0], dtype=np.int64),
        customer=np.array(columns[1], dtype=np.int64),
        start=start,
        ended=np.where(is_answered, answered, cut),
        is_answered=is_answered,
    )


def same_day_chats(
    agents: Sequence[int], *, since: datetime, until: datetime, as_of: datetime
) -> dict[int, tuple[int, int]]:
    """Per agent what WeCom counts: (answered on the same natural day, begun by a customer).

    A chat is one customer on one day; it is the customer's if their message was its first.
    """
    values = {"agents": sorted(agents), "since": since, "until": until, "as_of": as_of}
    with connection.cursor() as cursor:
        cursor.execute(_SAME_DAY, values | {"zone": corp_zone().key})
        return {agent: (answered, begun) for agent, answered, begun in cursor.fetchall()}
