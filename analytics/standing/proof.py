"""The proof: cube = state = full fold of the facts, customer by customer and cell by cell.

Each comparison is one statement, so it sees one moment of a database that others write to; a
repair adds the difference that this statement found, which stays right whatever was appended
meanwhile.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import structlog
from django.db import connection, transaction
from django.utils import timezone

from analytics.standing.models import StandingProof

log = structlog.get_logger(__name__)

AT_ONCE = 20_000

_DIFFERING = {
    "journey": """
        with folded as (select * from analytics_standing_journey(%(who)s)),
             kept as (select customer_id, entry_at, last_entry_at, last_at, entry_on,
                             last_entry_on, entries, level, agent_id, channel_id, agent_told,
                             channel_told
                      from analytics_journeystate where customer_id = any(%(who)s))
        select distinct customer_id from (
            (select * from folded except select * from kept)
            union all (select * from kept except select * from folded)) as x""",
    "pool": """
        with folded as (select customer_id, on_day, pool, link, person, n
                        from analytics_standing_pool(%(who)s)),
             kept as (select customer_id, on_day, pool, link, person, n
                      from analytics_poolmove where customer_id = any(%(who)s))
        select distinct customer_id from (
            (select * from folded except select * from kept)
            union all (select * from kept except select * from folded)) as x""",
}
_LEVELS = ", ".join(f"count(*) filter (where level = {k}) as n{k}" for k in range(1, 7))
_NS = ("n1", "n2", "n3", "n4", "n5", "n6")
# What each cube must hold: its cells counted from the state, or from the facts.
_COUNTED: dict[str, tuple[tuple[str, ...], tuple[str, ...], str]] = {
    "channelday": (
        ("on_day", "last_on", "channel_id"),
        _NS,
        """select entry_on as on_day, last_entry_on as last_on,
                  coalesce(channel_id, 0) as channel_id, {levels}
           from analytics_journeystate group by 1, 2, 3""",
    ),
    "agententryday": (
        ("on_day", "last_on", "agent_id"),
        _NS,
        """select entry_on as on_day, last_entry_on as last_on,
                  coalesce(agent_id, 0) as agent_id, {levels}
           from analytics_journeystate group by 1, 2, 3""",
    ),
    "poolday": (
        ("on_day", "pool", "link", "person"),
        ("n",),
        """select on_day, pool, link, person, sum(n) as n
           from analytics_poolmove group by 1, 2, 3, 4""",
    ),
    "agentday": (
        ("on_day", "agent_id"),
        ("added", "lost", "dropped", "received", "sent"),
        """select (at at time zone zone)::date as on_day, agent_id,
                  count(*) filter (where kind_id = 1) as added,
                  count(*) filter (where kind_id = 2) as lost,
                  count(*) filter (where kind_id = 3) as dropped,
                  count(*) filter (where kind_id = 7) as received,
                  count(*) filter (where kind_id = 8) as sent
           from crm_fact cross join analytics_standingrule
           where kind_id in (1, 2, 3, 7, 8) and agent_id is not null group by 1, 2""",
    ),
    "agentweek": (
        ("on_day", "agent_id"),
        ("added", "lost", "dropped", "received", "sent"),
        """select date_trunc('week', on_day)::date as on_day, agent_id, sum(added) as added,
                  sum(lost) as lost, sum(dropped) as dropped, sum(received) as received,
                  sum(sent) as sent
           from analytics_agentday where is_merged group by 1, 2""",
    ),
    "agentfriends": (
        ("agent_id",),
        ("n",),
        """select agent_id, count(*) as n
           from crm_contact where status = 'active' group by agent_id""",
    ),
}
# The differences of a cube; appending them is the repair.
_WRONG = """
select {cell}, {named} from (
    select {cell}, {values} from ({counted}) as counted
    union all
    select {cell}, {minus} from analytics_{cube}
) as x group by {cell} having {any}
"""
_COUNT = "select count(*) from ({wrong}) as wrong"
_FIX = """
insert into analytics_{cube} ({cell}, {values}, is_merged)
select {cell}, {values}, false from ({wrong}) as wrong
"""
_REFOLD = {
    "journey": "select analytics_standing_refold_journey(%s::bigint[])",
    "pool": "select analytics_standing_refold_pool(%s::bigint[])",
}


def prove(*, now: datetime, repair: bool = False) -> StandingProof:
    """Hold cubes, state and facts against one another; with ``repair`` make them equal again.

    Returns the kept record: customers whose state differed and cells that differed, by name.
    """
    proof = StandingProof.objects.create(started_at=now, is_repaired=False)
    drift: Counter[str] = Counter()
    for who in _customers():
        proof.customers += len(who)
        for name in _DIFFERING:
            drift[name] += _compare_state(name, who, repair=repair)
    for cube in _COUNTED:
        drift[cube] += _compare_cube(cube, repair=repair)
    proof.drift = dict(drift)
    proof.is_repaired = repair and proof.total_drift > 0
    proof.finished_at = timezone.now()
    proof.save()
    if proof.total_drift:
        log.error("standing.drift", repaired=repair, **drift)
    return proof


def _customers() -> Iterator[list[int]]:
    low = 0
    while True:
        query = "select id from crm_customer where id > %s order by id limit %s"
        who = [pk for (pk,) in _rows(query, [low, AT_ONCE])]
        if not who:
            return
        yield who
        low = who[-1]


def _compare_state(name: str, who: list[int], *, repair: bool) -> int:
    differing = [pk for (pk,) in _rows(_DIFFERING[name], {"who": who})]
    if differing and repair:
        with transaction.atomic():
            _rows("select analytics_standing_lock(%s::bigint[])", [differing])
            _rows(_REFOLD[name], [differing])
    return len(differing)


def _compare_cube(cube: str, *, repair: bool) -> int:
    keys, values, counted = _COUNTED[cube]
    sums = [f"sum({name})" for name in values]
    wrong = _WRONG.format(
        cube=cube,
        cell=", ".join(keys),
        values=", ".join(values),
        counted=counted.format(levels=_LEVELS),
        minus=", ".join(f"-{name}" for name in values),
        named=", ".join(f"sum({name}) as {name}" for name in values),
        any=" or ".join(f"{total} <> 0" for total in sums),
    )
    if not repair:
        return _rows(_COUNT.format(wrong=wrong))[0][0]
    with connection.cursor() as cursor:
        cursor.execute(
            _FIX.format(cube=cube, cell=", ".join(keys), values=", ".join(values), wrong=wrong)
        )
        return cursor.rowcount


def _rows(query: str, values: Any = None) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall()
