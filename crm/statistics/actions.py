"""Keeping the days that WeCom tells, and knowing which to ask for (again)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Max, Min, Q

from crm.shared.times import day_end, local_day
from crm.statistics.models import AgentDay, Day, OwnerDay

# WeCom shows 180 days; one is left out, as midnight may pass while we ask.
OLDEST = timedelta(days=179)
LONGEST = timedelta(days=30)
# The last days are asked for every time: WeCom corrects them, and it costs no further call.
ALWAYS = timedelta(days=3)
# Until then zeros of the day before may mean that WeCom has not counted yet.
COUNTED_AFTER = timedelta(hours=12)

AGENT_FIGURES = ("requests_sent", "contacts_added", "chats", "messages", "lost")
AGENT_SHARES = ("reply_percentage", "first_reply_minutes")
OWNER_FIGURES = ("groups_opened", "groups", "groups_active", "people_joined", "people")
OWNER_TALK = ("people_active", "messages")


@dataclass(frozen=True)
class Told:
    """One day as WeCom tells it: whose, which, the figures by column, and when it was asked."""

    agent_id: int
    day_on: date
    figures: dict[str, Any]
    asked_at: datetime


def days_to_ask(model: type[Day], agent_ids: Iterable[int], now: datetime) -> dict[int, date]:
    """The first day to ask for, by agent: whatever is missing or not settled, and the last days."""
    today = local_day(now)
    oldest, latest = today - OLDEST, today - ALWAYS
    stored = model.unsafe_all.filter(day_on__gte=oldest).order_by().values("agent_id")
    known = stored.annotate(
        last=Max("day_on"), unsettled=Min("day_on", filter=Q(is_settled=False))
    ).values_list("agent_id", "last", "unsettled")
    found = {agent_id: (last, unsettled) for agent_id, last, unsettled in known}
    first: dict[int, date] = {}
    for agent_id in agent_ids:
        last, unsettled = found.get(agent_id, (None, None))
        after = last + timedelta(days=1) if last else oldest
        first[agent_id] = min(after, unsettled or after, latest)
    return first


def windows(first: date, now: datetime) -> list[tuple[date, date]]:
    """Days from ``first`` until yesterday, in spans that one call may ask for."""
    spans, last = [], local_day(now) - timedelta(days=1)
    while first <= last:
        end = min(first + LONGEST - timedelta(days=1), last)
        spans.append((first, end))
        first = end + timedelta(days=1)
    return spans


def is_settled(told: Told, *, talk: Sequence[str]) -> bool:
    """Whether WeCom had counted the day: somebody did something, or there was time enough."""
    if any(told.figures[name] for name in talk):
        return True
    return told.asked_at >= day_end(told.day_on) + COUNTED_AFTER


def keep_agent_days(rows: Sequence[Told]) -> int:
    """Write days of agents; returns how many were new or changed."""
    return _keep(AgentDay, (*AGENT_FIGURES, *AGENT_SHARES), rows, talk=AGENT_FIGURES)


def keep_owner_days(rows: Sequence[Told]) -> int:
    """Write days of owners' groups; returns how many were new or changed."""
    # How many groups there are is known at once; what was said in them is counted later.
    return _keep(OwnerDay, (*OWNER_FIGURES, *OWNER_TALK), rows, talk=OWNER_TALK)


def _keep(
    model: type[Day], names: Sequence[str], rows: Sequence[Told], *, talk: Sequence[str]
) -> int:
    if not rows:
        return 0
    values = [
        [row.agent_id for row in rows],
        [row.day_on for row in rows],
        [is_settled(row, talk=talk) for row in rows],
        [row.asked_at for row in rows],
        *([row.figures[name] for row in rows] for name in names),
    ]
    with connection.cursor() as cursor:
        cursor.execute(_UPSERTS[model], values)
        return cursor.fetchone()[0]


def _upsert(model: type[Day], names: Sequence[str]) -> str:
    """Counts what changed. An older answer, or one of before the counting, replaces nothing."""
    table = model._meta.db_table
    columns = ", ".join(("agent_id", "day_on", "is_settled", "asked_at", *names))
    kinds = ["int8", "date", "bool", "timestamptz"]
    kinds += ["float8" if name in AGENT_SHARES else "int4" for name in names]
    arrays = ", ".join(f"%s::{kind}[]" for kind in kinds)
    kept = ", ".join(f"{name} = excluded.{name}" for name in ("is_settled", "asked_at", *names))
    before = ", ".join(f"before.{name}" for name in ("is_settled", *names))
    now = ", ".join(f"written.{name}" for name in ("is_settled", *names))
    return (
        f"with told ({columns}) as (select * from unnest({arrays})),"  # noqa: S608
        f" before as (select {columns} from {table} where (agent_id, day_on) in"
        " (select agent_id, day_on from told)),"
        f" written as (insert into {table} ({columns}) select {columns} from told"
        f" on conflict (agent_id, day_on) do update set {kept}"
        f" where {table}.asked_at < excluded.asked_at"
        f" and (excluded.is_settled or not {table}.is_settled) returning {columns})"
        " select count(*) from written left join before using (agent_id, day_on)"
        f" where ({before}) is distinct from ({now})"
    )


_UPSERTS: dict[type[Day], str] = {
    AgentDay: _upsert(AgentDay, (*AGENT_FIGURES, *AGENT_SHARES)),
    OwnerDay: _upsert(OwnerDay, (*OWNER_FIGURES, *OWNER_TALK)),
}


def unsettled(model: type[Day], now: datetime) -> int:
    """Days that WeCom had not counted when it was last asked, and can still tell."""
    oldest = local_day(now) - OLDEST
    return model.unsafe_all.filter(is_settled=False, day_on__gte=oldest).count()
