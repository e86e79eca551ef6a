"""Keeping standing figures: the rule they follow, folding again, merging, and the nightly proof."""

from typing import Any

import structlog
from django.conf import settings
from django.db import connection, transaction

from analytics.standing.models import StandingRule

log = structlog.get_logger(__name__)

WINDOW_SECONDS = 30 * 86_400
# The cells of each cube and what is added up in them.
_LEVELS = ("n1", "n2", "n3", "n4", "n5", "n6")
_AGENT_COUNTS = ("added", "lost", "dropped", "received", "sent")
CUBES = {
    "analytics_channelday": (("on_day", "last_on", "channel_id"), _LEVELS),
    "analytics_agententryday": (("on_day", "last_on", "agent_id"), _LEVELS),
    "analytics_agentday": (("on_day", "agent_id"), _AGENT_COUNTS),
    # After the days, which tell it what they merged.
    "analytics_agentweek": (("on_day", "agent_id"), _AGENT_COUNTS),
    "analytics_agentfriends": (("agent_id",), ("n",)),
    "analytics_poolday": (("on_day", "pool", "link", "person"), ("n",)),
}
_MERGE = """
with waiting as (
    delete from {table} where not is_merged returning {keys}, {values}
){told}
insert into {table} as cell ({keys}, {values}, is_merged)
select {keys}, {sums}, true from waiting group by {keys}
on conflict ({keys}) where is_merged do update set {added}
"""
_TELL_WEEKS = """, told as (
    insert into analytics_agentweek (on_day, agent_id, {values}, is_merged)
    select date_trunc('week', on_day)::date, agent_id, {sums}, false from waiting group by 1, 2
)"""
_MERGE_LOCK = 0x57A4D146


def seed_rule(**_signal: Any) -> None:
    """Write down zone and window for the triggers (after every migration)."""
    values = {"zone": settings.CORP_TIME_ZONE, "window_seconds": WINDOW_SECONDS}
    rule, is_new = StandingRule.objects.get_or_create(pk=1, defaults=values)
    if not is_new and (rule.zone, rule.window_seconds) != tuple(values.values()):
        StandingRule.objects.filter(pk=1).update(**values)
        log.warning("standing.rule_changed", remedy="manage.py standing rebuild", **values)


def merge_cubes() -> int:
    """Add the differences that were appended to the cells; returns how many rows were merged.

    Sums stay the same, and writers are not waited for. One process at a time; another one that
    comes meanwhile leaves at once.
    """
    merged = 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_xact_lock(%s)", [_MERGE_LOCK])
        if not cursor.fetchone()[0]:
            return 0
        for table, (keys, values) in CUBES.items():
            cursor.execute(_merge(table, keys, values))
            merged += cursor.rowcount
    return merged


def _merge(table: str, keys: tuple[str, ...], values: tuple[str, ...]) -> str:
    named, sums = ", ".join(values), ", ".join(f"sum({name})" for name in values)
    tells = table == "analytics_agentday"
    return _MERGE.format(
        table=table,
        told=_TELL_WEEKS.format(values=named, sums=sums) if tells else "",
        keys=", ".join(keys),
        values=named,
        sums=sums,
        added=", ".join(f"{name} = cell.{name} + excluded.{name}" for name in values),
    )
