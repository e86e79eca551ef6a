"""The draw: in each stratum the same share, in the order of a hash of the salt, and once.

The same people with the same salt are drawn the same way again. How a stratum's share is rounded
depends on the salt too, so that many small strata add up to the share.
"""

import secrets
from collections.abc import Collection
from datetime import datetime

from django.db import connection, transaction

from crm.agents.models import User
from crm.shared import faults
from crm.trials.layers import layers_for
from crm.trials.models import Assignment, Trial

# Those of the audience whom one of the agents knows, but nobody whom another trial keeps out of the
# same tag. Who is known to several agents is of the one with the lowest number.
_DRAW = """
with wanted as (
    select c.customer_id, min(c.agent_id) as agent_id
    from crm_audiencemember m
    join crm_contact c on c.customer_id = m.customer_id and c.status = 'active'
    where m.audience_id = %(audience)s and c.agent_id = any(%(agents)s)
      and not exists (
        select from crm_assignment o join crm_trial t on t.id = o.trial_id
        where o.customer_id = m.customer_id and o.arm = 0 and t.id <> %(trial)s
          and t.audience_id = %(audience)s and t.holds_until > %(now)s)
    group by c.customer_id
), strata as (
    select wanted.*, coalesce(layers.layer, '') as layer
    from wanted left join ({layers}) layers using (customer_id)
), placed as (
    select strata.*,
        row_number() over (partition by agent_id, layer
                           order by md5(%(salt)s || ':' || customer_id), customer_id) as place,
        ('x' || left(md5(%(salt)s || ':' || agent_id || ':' || layer), 8))::bit(32)::bigint
            / 4294967296.0 as shift
    from strata
)
insert into crm_assignment (trial_id, customer_id, arm, agent_id, layer, at)
select %(trial)s, customer_id,
    case when floor(place * %(share)s::numeric + shift)
            > floor((place - 1) * %(share)s::numeric + shift) then 0 else 1 end,
    agent_id, layer, %(now)s
from placed
order by customer_id
"""


def new_salt() -> str:
    """A salt that no other trial has."""
    return secrets.token_hex(16)


@transaction.atomic
def draw(
    *,
    trial: Trial,
    agent_ids: Collection[int],
    holds_until: datetime,
    by: User | None,
    now: datetime,
) -> int:
    """Draw the control among those of the audience whom the agents know; returns how many rows.

    A trial that is drawn stays as it is, whoever asks again.
    """
    rows = Trial.unsafe_all.all()
    if faults.guarded("trials.draw"):
        rows = rows.select_for_update()
    row = rows.get(pk=trial.pk)
    if row.drawn_at is not None:
        return 0
    layers, needed = layers_for(now)
    values = {
        "trial": row.pk,
        "audience": row.audience_id,
        "agents": list(agent_ids),
        "salt": row.salt,
        "share": row.control_percent / 100,
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(_DRAW.format(layers=layers), needed | values)
        drawn = cursor.rowcount
    row.drawn_at, row.holds_until = now, holds_until
    row.save(update_fields=["drawn_at", "holds_until", "updated_at"])
    return drawn


@transaction.atomic
def undraw(*, trial: Trial) -> None:
    """Forget a draw before anybody was touched; the next one uses the same salt."""
    row = Trial.unsafe_all.select_for_update().get(pk=trial.pk)
    Assignment.unsafe_all.filter(trial=row).delete()
    row.drawn_at = row.holds_until = None
    row.save(update_fields=["drawn_at", "holds_until", "updated_at"])
