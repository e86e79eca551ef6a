"""All columns written anew from the facts in PostgreSQL.

The facts are made on servers of the bench's own, in order of time as they come in, with every
column filled as the product fills it. Their indexes, which reading everything does not use, are
left out so that a hundred million can be loaded at all. The limit is the same reading with
nothing done to what is read; the rival lets the database sort, as a rebuild used to. What was
written is held against the table: events of each kind, and the sums of customers and times.
"""

import time
from typing import Any

import numpy as np
from django.core.management.base import CommandParser
from django.db import connection

from analytics.events.benching import peak_mb
from crm.shared.own_servers import bench_apart

NAME = "rebuild"
HELP = "all columns written anew from the facts, against reading alone"
AGENTS, CHANNELS, EVENTS_PER_CUSTOMER = 3_000, 20, 9.2
_LOT = 2_000_000
_FACTS = """
insert into crm_fact (id, customer_id, kind_id, at, recorded_at, agent_id, channel_id, source,
                      source_key, properties)
select n, who, kind, at, at + interval '2 s', who %% %(agents)s + 1,
       case when kind = 1 then who %% %(channels)s + 1 end, 'archive', 'bench:' || n, '{}'
from (
    select n, 1 + floor(%(customers)s * power(random(), 1.6))::bigint as who,
           1 + floor(random() * 14)::int as kind,
           '2026-06-01Z'::timestamptz + interval '1 day' * (91.0 * n / %(events)s)
           - case when random() < 0.03 then random() * interval '3 days' else interval '0' end as at
    from generate_series(%(low)s, %(high)s) as n
) as made
"""
_SUMS = """
select kind_id, count(*), sum(customer_id)::bigint,
       sum(floor(extract(epoch from at)))::bigint
from crm_fact group by kind_id order by kind_id
"""
_SORTED = """
copy (select id, customer_id, at, kind_id, agent_id, channel_id from crm_fact
      order by customer_id, at, id) to stdout (format binary)
"""


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("--events", type=int, default=10_000_000, help="default 10000000")
    parser.add_argument(
        "--without-rival", action="store_true", help="do not let the database sort them"
    )
    parser.add_argument("--here", action="store_true", help="on the servers in force, not its own")


def run(options: dict[str, Any]) -> dict[str, Any]:
    """Measure on servers of our own, made and thrown away."""
    if options["here"]:
        return _measure(options["events"], with_rival=not options["without_rival"])
    without = ["--without-rival"] if options["without_rival"] else []
    return bench_apart(NAME, [f"--events={options['events']}", *without])


def _measure(events: int, *, with_rival: bool) -> dict[str, Any]:
    from analytics.events.facts import facts_as_they_lie
    from analytics.events.refresh import refresh
    from analytics.events.snapshots import size_on_disk

    _fill(events)
    begun = time.perf_counter()
    read = sum(len(raw.columns["id"]) for raw in facts_as_they_lie(events))
    alone = time.perf_counter() - begun
    begun, cpu = time.perf_counter(), time.process_time()
    snapshot = refresh(everything=True)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    peak = peak_mb()
    rival = _sorted_by_the_database() if with_rival else None
    return {
        "scale": {"events": events, "customers": snapshot.manifest["customers"]},
        "measured": {
            "equal": read == events and _told(snapshot) == _rows(_SUMS),
            "seconds": round(seconds, 1),
            "cpu_s": round(cpu, 1),
            "peak_mb": peak,
            "bytes_per_event": round(size_on_disk(snapshot) / events, 2),
        },
        "rivals": {
            "reading_alone": {"seconds": round(alone, 1)},
            **({"sorted_by_the_database": {"seconds": round(rival, 1)}} if rival else {}),
        },
        "ratios": {
            "ours_over_reading_alone": round(seconds / alone, 2),
            **({"sorting_there_over_ours": round(rival / seconds, 2)} if rival else {}),
        },
        "goals": {"equal": True, "seconds": "<= 180 at 100 M"},
    }


def _fill(events: int) -> None:
    """Facts, agents and channels, without the triggers that say who exists and keep figures."""
    from crm.agents.models import Agent
    from crm.customers.models import Channel

    Agent.unsafe_all.bulk_create(
        Agent(userid=f"bench{n}", name=f"Agent {n}") for n in range(1, AGENTS + 1)
    )
    Channel.objects.bulk_create(
        Channel(code=f"bench{n}", name=f"Channel {n}") for n in range(1, CHANNELS + 1)
    )
    with connection.cursor() as cursor:
        cursor.execute("alter table crm_fact disable trigger all")
        cursor.execute("alter table crm_fact drop constraint fact_once_per_source")
        cursor.execute("drop index fact_customer_at, fact_kind_at, fact_agent_kind_at")
        cursor.execute("select setseed(0.27)")
        for low in range(1, events + 1, _LOT):
            values = {"low": low, "high": min(events, low + _LOT - 1), "events": events}
            values |= {"agents": AGENTS, "channels": CHANNELS}
            values |= {"customers": max(1, round(events / EVENTS_PER_CUSTOMER))}
            cursor.execute(_FACTS, values)
        cursor.execute("select setval('crm_fact_id_seq', %s)", [events])
        # Hint bits and what the loading left in memory are not what is measured.
        cursor.execute("vacuum analyze crm_fact")
        cursor.execute("checkpoint")


def _sorted_by_the_database() -> float:
    begun = time.perf_counter()
    with connection.cursor() as cursor, cursor.copy(_SORTED) as stream:
        for _row in stream:
            pass
    return time.perf_counter() - begun


def _told(snapshot: Any) -> list[tuple[int, ...]]:
    """Kind, events, sum of customers and of seconds, out of the columns."""
    sums: dict[int, np.ndarray] = {}
    for bucket in snapshot.buckets:
        who = np.repeat(bucket.ids_at(np.arange(bucket.customers)), np.diff(bucket.offsets))
        for code in np.unique(bucket.kinds).tolist():
            chosen = bucket.kinds == code
            found = (chosen.sum(), who[chosen].sum(), bucket.seconds[chosen].sum(dtype=np.int64))
            kind = int(bucket.kind_ids[code])
            sums[kind] = sums.get(kind, 0) + np.array(found, np.int64)
    return [(kind, *sums[kind].tolist()) for kind in sorted(sums)]


def _rows(query: str) -> list[tuple[int, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()
