"""The `clickhouse` engine of retention: births and returns of every customer, folded in SQL."""

from datetime import date

import numpy as np

from analytics.clickhouse.conditions import is_step
from analytics.clickhouse.connection import text
from analytics.clickhouse.funnel import END_OF_TIME, micros
from analytics.clickhouse.source import ClickHouseSource
from analytics.retention import engine
from analytics.retention.answer import RetentionAnswer
from analytics.retention.question import DAYS, RetentionQuestion
from crm.shared.times import corp_zone

_EPOCH = date(1970, 1, 1)
_BACK = """
with matched as (
    select customer, at, id, {birth} as is_birth, {comes_back} as is_return
    from facts final
    where {scope} and kind in ({kinds}) and at <= {cut} and (is_birth or is_return)
), logs as (
    select customer, arraySort(groupArray((at, id, is_birth, is_return, {day}))) as log,
           arrayFirst(x -> x.3, log) as born
    from matched group by customer having countIf(is_birth) > 0
), returns as (
    select customer, born.5 as birth,
           arrayMap(x -> x.5, arrayFilter(
               x -> x.4 and x.1 >= born.1 and x.2 != born.2 and not (x.5 = birth and x.3), log
           )) as days
    from logs where birth >= {since} and birth < {until}
), back as (
    select customer, birth,
           arrayDistinct(arrayFilter(
               p -> p >= 0 and p <= {last}, {spread}
           )) as periods
    from returns
)
"""
_EVERY = "arrayMap(d -> {period}, days)"
_UP_TO_THE_LATEST = (
    "if(empty(days), range(0),"
    " range(toInt32(greatest(-1, least({last}, arrayMax(" + _EVERY + ")))) + 1))"
)


def answer(question: RetentionQuestion, source: ClickHouseSource) -> RetentionAnswer:
    """Count every cohort and period."""
    prepared = _prepared(question, source)
    calendar, periods = prepared.calendar, prepared.periods
    back = _back(prepared, source)
    sizes = np.zeros(len(calendar.starts), np.int64)
    ripe = np.zeros((len(calendar.starts), periods + 1), np.int64)
    returned = np.zeros((len(calendar.starts), periods), np.int64)
    for birth, count in source.house.rows(f"{back} select birth, count() from back group by birth"):
        cohort = calendar.periods[birth - calendar.base]
        sizes[cohort] += int(count)
        ripe[cohort, prepared.eligible[birth - calendar.base]] += int(count)
    rows = source.house.rows(
        f"{back} select birth, period, count() from back array join periods as period"
        " group by birth, period"
    )
    for birth, period, count in rows:
        if period < prepared.eligible[birth - calendar.base]:
            returned[calendar.periods[birth - calendar.base], period] += int(count)
    return engine.tabulated(prepared, sizes, ripe, returned)


def people(
    question: RetentionQuestion,
    source: ClickHouseSource,
    *,
    state: str,
    period: int = 0,
    cohort: date | None = None,
) -> np.ndarray:
    """Sorted ids of the customers behind one figure; see `analytics.retention.engine.people`."""
    prepared = _prepared(question, source)
    engine.check_figure(prepared, state=state, period=period, cohort=cohort)
    calendar = prepared.calendar
    chosen = np.ones(len(calendar.periods), bool)
    if cohort is not None:
        chosen &= calendar.periods == calendar.starts.index(cohort)
    if state != "size":
        chosen &= prepared.eligible > period
    days = (np.flatnonzero(chosen) + calendar.base).tolist()
    told = {"returned": f"has(periods, {period})", "absent": f"not has(periods, {period})"}
    rows = source.house.rows(
        f"{_back(prepared, source)} select customer from back"
        f" where birth in ({', '.join(map(str, days)) or 'null'}) and {told.get(state, '1')}"
        " order by customer"
    )
    return np.array([int(customer) for [customer] in rows], np.int64)


def _prepared(question: RetentionQuestion, source: ClickHouseSource) -> engine.Prepared:
    source.check_loaded()
    return engine.prepare(question, source)


def _back(prepared: engine.Prepared, source: ClickHouseSource) -> str:
    """The common part of all statements: `back` has each customer's day of birth and periods."""
    question = prepared.question
    steps = (question.birth, question.comes_back)
    kinds = source.kind_ids({step.event for step in steps})
    birth, comes_back = (is_step(step, kinds[step.event], source) for step in steps)
    last = prepared.periods - 1
    spread = _UP_TO_THE_LATEST if question.kind == "on_or_after" else _EVERY
    return _BACK.format(
        birth=birth,
        comes_back=comes_back,
        scope=source.where,
        kinds=", ".join(str(kind) for kind in sorted(set(kinds.values()))),
        cut=micros(question.as_of) if question.as_of else END_OF_TIME,
        day=f"toInt32(toDate(fromUnixTimestamp64Micro(at), {text(corp_zone().key)}))",
        since=(question.since - _EPOCH).days if question.since else -1,
        until=(question.until - _EPOCH).days + 1 if question.until else 1 << 30,
        last=last,
        spread=spread.format(period=_period(question), last=last),
    )


def _period(question: RetentionQuestion) -> str:
    """The number of the period, counted from the birth's, in which day `d` lies; -1 for none."""
    if question.kind == "bracket":
        ends = list(question.brackets)
        return f"if(d = birth, -1, toInt32(arrayFirstIndex(e -> d - birth <= e, {ends})) - 1)"
    if question.mode == "rolling":
        return f"intDiv(d - birth, {DAYS[question.period]})"
    if question.period == "day":
        return "d - birth"
    if question.period == "week":
        # The first day of 1970 was a Thursday.
        return "intDiv(d + 3, 7) - intDiv(birth + 3, 7)"
    return f"{_month('d')} - {_month('birth')}"


def _month(day: str) -> str:
    return f"(toYear(toDate({day})) * 12 + toMonth(toDate({day})))"
