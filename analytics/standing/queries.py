"""Reading the standing journey: cubes for those who see everybody, else their customers' states."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Q, QuerySet, Sum
from django.utils.translation import gettext as _

from analytics.figures.lasting import lasting
from analytics.figures.query_ids import QueryIds
from analytics.standing.actions import WINDOW_SECONDS
from analytics.standing.journey import (
    STEPS,
    Cell,
    JourneyAnswer,
    JourneyQuestion,
    JourneyRefused,
    monday,
    summed,
)
from analytics.standing.models import AgentEntryDay, ChannelDay, JourneyState
from crm.agents.models import Agent, User
from crm.customers.models import Channel, Customer
from crm.shared.times import local_day

_WINDOW = timedelta(seconds=WINDOW_SECONDS)
_KEYS = {"channel": "channel_id", "week": "on_day", "agent": "agent_id"}
_SUMS = {f"s{k}": Sum(f"n{k}") for k in range(1, STEPS + 1)}
_COUNTS = {f"s{k}": Count("pk", filter=Q(level=k)) for k in range(1, STEPS + 1)}


def journey(question: JourneyQuestion, *, user: User, now: datetime) -> JourneyAnswer:
    """How far the customers whom this user may see came, row by row."""
    return lasting(
        "journey", question.as_json(), user=user, ask=lambda: _journey(question, user, now)
    )


def _journey(question: JourneyQuestion, user: User, now: datetime) -> JourneyAnswer:
    sees_all = not Customer.objects.for_user(user).query.where
    levels = _from_cubes(question) if sees_all else _from_states(question, user)
    still_open = _still_open(question, user, sees_all=sees_all, now=now)
    labels = _labels(question, levels)
    cells = [
        Cell(str(key or ""), labels[key], counts, still_open.get(key, 0))
        for key, counts in levels.items()
        if any(counts)
    ]
    cells.sort(key=lambda cell: cell.key if question.by == "week" else -cell.reached(1))
    return JourneyAnswer(question, cells, now)


def people_behind(
    question: JourneyQuestion, *, user: User, step: int, state: str, key: str | None, now: datetime
) -> QueryIds:
    """Sorted ids of exactly the customers behind one number.

    ``state`` is ``reached`` (level >= step) or ``open``; ``key`` names the row, None all of them.
    """
    states = _within(question, JourneyState.objects.for_user(user))
    if state == "open":
        states = _open_states(states, now)
    elif state == "reached" and 1 <= step <= STEPS:
        states = states.filter(level__gte=step)
    else:
        raise JourneyRefused(_("没有这个数字，请从报表页点开"), field="state")
    if key is not None:
        states = states.filter(_row(question, key))
    return QueryIds(states)


def _row(question: JourneyQuestion, key: str) -> Q:
    name = _KEYS[question.by]
    if question.by == "week":
        try:
            start = datetime.fromisoformat(key).date()
        except ValueError:
            raise JourneyRefused(_("没有这个数字，请从报表页点开"), field="key") from None
        return Q(entry_on__range=(start, start + timedelta(days=6)))
    if key == "":
        return Q(**{f"{name}__isnull": True})
    if not (key.isascii() and key.isdigit() and len(key) < 19):
        raise JourneyRefused(_("没有这个数字，请从报表页点开"), field="key")
    return Q(**{name: int(key)})


def _within(question: JourneyQuestion, states: QuerySet) -> QuerySet:
    return states.filter(entry_on__range=(question.since, question.until))


def _open_states(states: QuerySet, now: datetime) -> QuerySet:
    # The day narrows by index, the instant decides.
    edge = now - _WINDOW
    return states.filter(
        level__lt=STEPS, last_entry_on__gte=local_day(edge), last_entry_at__gt=edge
    )


def _cube(question: JourneyQuestion) -> type[AgentEntryDay] | type[ChannelDay]:
    return AgentEntryDay if question.by == "agent" else ChannelDay


def _from_cubes(question: JourneyQuestion) -> dict[Any, list[int]]:
    name = _KEYS[question.by]
    rows = _cube(question).objects.filter(on_day__range=(question.since, question.until))
    return _keyed(question, rows.values_list(name).annotate(**_SUMS))


def _from_states(question: JourneyQuestion, user: User) -> dict[Any, list[int]]:
    states = _within(question, JourneyState.objects.for_user(user)).annotate(on_day=F("entry_on"))
    return _keyed(question, states.values_list(_KEYS[question.by]).annotate(**_COUNTS))


def _keyed(question: JourneyQuestion, rows: Any) -> dict[Any, list[int]]:
    return summed((_key(question, key), *levels) for key, *levels in rows)


def _key(question: JourneyQuestion, value: Any) -> Any:
    return monday(value) if question.by == "week" else (value or None)


def _still_open(
    question: JourneyQuestion, user: User, *, sees_all: bool, now: datetime
) -> dict[Any, int]:
    """Customers whose window has not run out, by row.

    Whole days come from the cube; only the day on which windows run out at this very hour is
    counted from the states.
    """
    edge_day = local_day(now - _WINDOW)
    states = _open_states(_within(question, JourneyState.objects.for_user(user)), now)
    found: dict[Any, int] = {}
    if sees_all:
        rows = _cube(question).objects.filter(
            on_day__range=(question.since, question.until), last_on__gt=edge_day
        )
        keyed = _keyed(question, rows.values_list(_KEYS[question.by]).annotate(**_SUMS))
        found = {key: sum(levels[: STEPS - 1]) for key, levels in keyed.items()}
        states = states.filter(last_entry_on=edge_day)
    states = states.annotate(on_day=F("entry_on"))
    for value, n in states.values_list(_KEYS[question.by]).annotate(Count("pk")):
        key = _key(question, value)
        found[key] = found.get(key, 0) + n
    return found


def _labels(question: JourneyQuestion, keys: Any) -> dict[Any, str]:
    if question.by == "week":
        return {key: key.isoformat() for key in keys}
    known = [key for key in keys if key]
    model = Channel.objects if question.by == "channel" else Agent.unsafe_all
    names = dict(model.filter(pk__in=known).values_list("pk", "name"))
    return {key: names.get(key, _("未知")) for key in keys}
