"""What people did in the days after something was begun, and before, in one pass over their facts.

Everything is told by look: what had happened at each planned moment of looking.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from analytics.results.looking import Looking
from crm.outreach.models import MassSend

BEFORE_DAYS = 180
# {arms}: customer_id, arm, since, agent_id; with an agent, only what was between the two counts of
# replies and deletions. Money is what was paid less what went back. Look 0 is the time before.
_ROWS = """
with arms as (
    {arms}
), told as (
    select arms.customer_id, k.code, coalesce(f.amount_cents, 0) as cents,
        case when f.at < arms.since then 0
             else floor(extract(epoch from f.at - arms.since) / %(step)s)::int + 1 end as look
    from arms
    join crm_fact f on f.customer_id = arms.customer_id
        and f.at >= arms.since - %(before)s and f.at < arms.since + %(until)s
    join crm_factkind k on k.id = f.kind_id and k.code = any(%(codes)s)
    where (arms.agent_id is null or f.agent_id = arms.agent_id or k.code like 'order%%')
      and (f.at < arms.since
           or k.code = 'message_received' and f.at < arms.since + %(reply_for)s
           or k.code = 'friend_deleted_by_customer' and f.at < arms.since + %(delete_for)s
           or k.code like 'order%%')
)
select arms.customer_id, arms.arm, coalesce(look, 0),
    coalesce(bool_or(code = 'order_paid'), false)::int,
    coalesce(sum(case code when 'order_paid' then cents when 'order_refunded' then -abs(cents) end),
        0),
    coalesce(bool_or(code = 'message_received'), false)::int,
    coalesce(bool_or(code = 'friend_deleted_by_customer'), false)::int,
    count(*) filter (where code = 'message_received')
from arms left join told using (customer_id)
group by arms.customer_id, arms.arm, look
order by arms.customer_id
"""
_SEND = """
    select r.customer_id, (r.reason <> 'control')::int as arm, %(since)s::timestamptz as since,
        null::bigint as agent_id
    from crm_massrecipient r
    where r.send_id = %(send)s and r.customer_id is not null
      and (r.reason = 'control' or r.batch_id is not null)
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
    """One place per person, by id: the arm drawn (0 is the control), what they did, and before.

    ``earlier``: what they had done by each look before this one.
    """

    ids: np.ndarray
    arm: np.ndarray
    values: dict[str, np.ndarray]
    before: dict[str, np.ndarray]
    earlier: dict[str, list[np.ndarray]]

    @property
    def held(self) -> np.ndarray:
        """Who was drawn as control."""
        return self.arm == 0

    def within(self, ids: np.ndarray) -> "Outcomes":
        """Those alone whose ids are listed."""
        return self.only(np.isin(self.ids, ids))

    def only(self, kept: np.ndarray) -> "Outcomes":
        """Those alone whose place says yes."""
        return Outcomes(
            self.ids[kept],
            self.arm[kept],
            {name: values[kept] for name, values in self.values.items()},
            {name: values[kept] for name, values in self.before.items()},
            {name: [one[kept] for one in looks] for name, looks in self.earlier.items()},
        )


def outcomes(send: MassSend, looking: Looking, *, now: datetime) -> Outcomes:
    """What everybody drawn or treated did from the planned time on, up to the latest look."""
    return deeds(_SEND, {"send": send.pk, "since": send.send_at}, looking, now=now)


def deeds(
    arms: str,
    values: dict[str, Any],
    looking: Looking,
    *,
    now: datetime,
    reply_for: timedelta | None = None,
    delete_for: timedelta | None = None,
) -> Outcomes:
    """What the people of ``arms`` did, each from the own beginning on.

    Before the first look it is what they have done by now. Replies and deletions may count for a
    shorter time than orders.
    """
    count = max(1, looking.reached)
    until = looking.length or max(now - looking.since, timedelta(seconds=1))
    told = {
        "codes": list(_CODES),
        "before": timedelta(days=BEFORE_DAYS),
        "until": until,
        "reply_for": reply_for or until,
        "delete_for": delete_for or until,
        "step": (until / count).total_seconds(),
    }
    with connection.cursor() as cursor:
        cursor.execute(_ROWS.format(arms=arms), values | told)
        rows = np.array(cursor.fetchall(), dtype=np.float64).reshape(-1, 8)
    return _folded(rows, count)


def _folded(rows: np.ndarray, count: int) -> Outcomes:
    """Rows by person and look as one place a person, each look holding what came before it too."""
    ids, first, place = np.unique(rows[:, 0], return_index=True, return_inverse=True)
    look = np.minimum(rows[:, 2].astype(np.int64), count)

    def by_look(column: int) -> np.ndarray:
        found = np.zeros((count + 1, len(ids)))
        np.add.at(found, (look, place), rows[:, column])
        return found

    def ever(column: int) -> list[np.ndarray]:
        return list(np.minimum(np.cumsum(by_look(column)[1:], axis=0), 1.0))

    money = by_look(4) / 100
    after = {
        "ordered": ever(3),
        "money": list(np.cumsum(money[1:], axis=0)),
        "replied": ever(5),
        "deleted": ever(6),
    }
    return Outcomes(
        ids=ids.astype(np.int64),
        arm=rows[first, 1].astype(np.int64),
        values={name: looks[-1] for name, looks in after.items()},
        before={"money": money[0], "messages": by_look(7)[0]},
        earlier={name: looks[:-1] for name, looks in after.items()},
    )
