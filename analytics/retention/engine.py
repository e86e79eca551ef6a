"""Turns a retention question into a fold over columns and its bits into a table."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TypeVar

import numpy as np
from django.utils.translation import gettext as _

from analytics.charts.rates import Rate
from analytics.events.columns import Columns, sealed
from analytics.events.folding import block_bounds, in_threads
from analytics.events.source import Source
from analytics.funnels.question import QuestionRefused, Step
from analytics.retention import kernel
from analytics.retention.answer import Cohort, RetentionAnswer
from analytics.retention.question import DAYS, MAX_PERIODS, RetentionQuestion
from crm.shared.times import corp_zone

_EPOCH = date(1970, 1, 1)
_END_OF_TIME = 1 << 40
Result = TypeVar("Result")


@dataclass(frozen=True)
class Calendar:
    """Local days from `base` on (days since 1970): the calendar period of each, and its start."""

    base: int
    periods: np.ndarray
    starts: tuple[date, ...]


@dataclass(frozen=True)
class Prepared:
    """A question made ready for one source."""

    question: RetentionQuestion
    source: Source
    calendar: Calendar
    settings: np.ndarray
    eligible: np.ndarray
    marks: list[tuple[np.ndarray, np.ndarray]]
    zone: tuple[np.ndarray, np.ndarray]
    as_of: datetime

    @property
    def periods(self) -> int:
        return int(self.settings[kernel.PERIODS])


@dataclass(frozen=True)
class Block:
    """Customers low..high of one part: birth days and bits of return, one per row."""

    part: int
    low: int
    high: int
    births: np.ndarray
    returns: np.ndarray


def answer(question: RetentionQuestion, source: Source) -> RetentionAnswer:
    """Count every cohort and period."""
    prepared = prepare(question, source)
    calendar, periods = prepared.calendar, prepared.periods

    def harvest(block: Block) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        cohorts = len(calendar.starts)
        sizes = np.zeros(cohorts, np.int64)
        ripe = np.zeros((cohorts, periods + 1), np.int64)
        returned = np.zeros((cohorts, periods), np.int64)
        kernel.tally(
            block.births, block.returns, calendar.base, calendar.periods, prepared.eligible,
            sizes, ripe, returned,
        )  # fmt: skip
        return sizes, ripe, returned

    blocks = _folded(prepared, harvest)
    sizes, ripe, returned = (
        (sum(arrays) for arrays in zip(*blocks, strict=True)) if blocks else _nothing(prepared)
    )
    return tabulated(prepared, sizes, ripe, returned)


def tabulated(
    prepared: Prepared, sizes: np.ndarray, ripe: np.ndarray, returned: np.ndarray
) -> RetentionAnswer:
    """The answer from counts by cohort: members, members eligible for e periods, returned."""
    question, source = prepared.question, prepared.source
    calendar, periods = prepared.calendar, prepared.periods
    # Eligible for period j are those who are eligible for more than j periods.
    eligible = ripe[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
    cohorts = tuple(
        Cohort(
            calendar.starts[c],
            int(sizes[c]),
            tuple(Rate(int(returned[c, j]), int(eligible[c, j])) for j in range(periods)),
        )
        for c in np.flatnonzero(sizes)
    )
    totals = tuple(
        Rate(int(returned[:, j].sum()), int(eligible[:, j].sum())) for j in range(periods)
    )
    return RetentionAnswer(question, cohorts, totals, source.data_time, prepared.as_of)


def people(
    question: RetentionQuestion,
    source: Source,
    *,
    state: str,
    period: int = 0,
    cohort: date | None = None,
) -> np.ndarray:
    """Sorted ids of the customers behind one figure; `cohort` None means all cohorts.

    States: `size` (everybody of the cohort), `eligible`, `returned`, `absent`.
    """
    prepared = prepare(question, source)
    calendar, parts = prepared.calendar, source.parts
    check_figure(prepared, state=state, period=period, cohort=cohort)

    def harvest(block: Block) -> np.ndarray:
        born = block.births != kernel.NO_BIRTH
        days = np.where(born, block.births - calendar.base, 0)
        chosen = born
        if cohort is not None:
            chosen = chosen & (calendar.periods[days] == calendar.starts.index(cohort))
        if state != "size":
            chosen = chosen & (prepared.eligible[days] > period)
            back = (block.returns >> np.uint64(period) & np.uint64(1)).astype(bool)
            chosen = chosen & {"eligible": True, "returned": back, "absent": ~back}[state]
        return parts[block.part].columns.ids_at(np.flatnonzero(chosen) + block.low)

    found = _folded(prepared, harvest)
    return np.sort(np.concatenate(found)) if found else np.empty(0, np.int64)


def check_figure(prepared: Prepared, *, state: str, period: int, cohort: date | None) -> None:
    """Raise QuestionRefused where the table has no such cell."""
    if state not in ("size", "eligible", "returned", "absent"):
        raise QuestionRefused(_("没有状态「%(state)s」") % {"state": state[:40]}, field="state")
    if state != "size" and not 0 <= period < prepared.periods:
        raise QuestionRefused(_("没有第 %(n)s 期") % {"n": period}, field="at")
    if cohort is not None and cohort not in prepared.calendar.starts:
        raise QuestionRefused(_("没有这一批客户：%(day)s") % {"day": cohort}, field="cohort")


def prepare(question: RetentionQuestion, source: Source) -> Prepared:
    """Resolve the names in a question; raises QuestionRefused where it cannot be asked."""
    kinds = source.kind_ids({question.birth.event, question.comes_back.event})
    for field, step in (("birth", question.birth), ("return", question.comes_back)):
        if step.event not in kinds:
            raise QuestionRefused(
                _("没有事件「%(event)s」。请从事件目录中选择，或先登记这种事件")
                % {"event": step.event[:64]},
                field=field,
            )
    first, last = source.span
    if question.as_of and question.as_of.timestamp() < first:
        raise QuestionRefused(
            _("截至时间早于第一个事件，没有可统计的数据；请改晚截至时间"), field="as_of"
        )
    as_of = question.as_of or source.data_time
    zone = zone_stretches(first, max(last, int(as_of.timestamp())))
    end_day = _day_of(as_of)
    calendar = calendar_of(
        question.period, _day_at(first, zone), max(_day_at(last, zone), end_day) + 1
    )
    eligible = _eligible_periods(question, calendar, end_day)
    settings = _settings(question, calendar, int(eligible.max(initial=0)))
    marks = [
        _marks(question, part.columns, n, kinds, source) for n, part in enumerate(source.parts)
    ]
    return Prepared(question, source, calendar, settings, eligible, marks, zone, as_of)


def _folded(prepared: Prepared, harvest: Callable[[Block], Result]) -> list[Result]:
    """What `harvest` takes from each folded block; it runs on the thread that folded it."""
    parts = prepared.source.parts
    blocks = [
        (number, low, high)
        for number, part in enumerate(parts)
        for low, high in pairwise(block_bounds(part.columns.offsets))
    ]
    steps = _period_table(prepared)

    def work(block: tuple[int, int, int]) -> Result:
        number, low, high = block
        part, columns = parts[number], parts[number].columns
        masks, codes = prepared.marks[number]
        skip = sealed(np.empty(0, np.uint8) if part.skip is None else part.skip.view(np.uint8))
        births = np.empty(high - low, np.int32)
        returns = np.empty(high - low, np.uint64)
        kernel.fold(
            low, high, columns.offsets, codes, masks, columns.seconds, columns.micro_rows,
            columns.micros, skip, *prepared.zone, prepared.settings, steps, births, returns,
        )  # fmt: skip
        return harvest(Block(number, low, high, births, returns))

    return in_threads(work, blocks)


def _nothing(prepared: Prepared) -> tuple[np.ndarray, ...]:
    cohorts, periods = len(prepared.calendar.starts), prepared.periods
    return (
        np.zeros(cohorts, np.int64),
        np.zeros((cohorts, periods + 1), np.int64),
        np.zeros((cohorts, periods), np.int64),
    )


def _settings(question: RetentionQuestion, calendar: Calendar, ripest: int) -> np.ndarray:
    settings = np.zeros(kernel.SETTINGS, np.int64)
    settings[kernel.SINCE_DAY] = _days(question.since) if question.since else -_END_OF_TIME
    settings[kernel.UNTIL_DAY] = _days(question.until) + 1 if question.until else _END_OF_TIME
    settings[kernel.CUT] = _END_OF_TIME
    if question.as_of:
        moment = question.as_of.astimezone(UTC)
        settings[kernel.CUT] = int(moment.replace(microsecond=0).timestamp())
        settings[kernel.CUT_MICRO] = moment.microsecond
    brackets = question.kind == "bracket"
    calendar_mode = question.mode == "calendar"
    settings[kernel.MODE] = (
        kernel.BRACKETS if brackets else kernel.CALENDAR if calendar_mode else kernel.ROLLING
    )
    settings[kernel.LENGTH] = DAYS[question.period]
    # At least one period, so that an empty table still has a shape.
    settings[kernel.PERIODS] = (
        len(question.brackets) if brackets else max(1, min(ripest, MAX_PERIODS))
    )
    settings[kernel.UNBOUNDED] = question.kind == "on_or_after"
    settings[kernel.BASE_DAY] = calendar.base
    return settings


def _period_table(prepared: Prepared) -> np.ndarray:
    """By day the calendar period, or by distance from the birth the bracket (-1: none)."""
    if prepared.question.kind != "bracket":
        return prepared.calendar.periods
    table = np.full(prepared.question.brackets[-1] + 1, -1, np.int32)
    for number, (low, high) in enumerate(prepared.question.ranges):
        table[low : high + 1] = number
    return sealed(table)


def _eligible_periods(question: RetentionQuestion, calendar: Calendar, end_day: int) -> np.ndarray:
    """For each day of birth, how many periods lie wholly before the end of the data."""
    days = np.arange(len(calendar.periods)) + calendar.base
    if question.kind == "bracket":
        highs = np.array([high for _low, high in question.ranges])
        found = (days[:, None] + highs[None, :] < end_day).sum(axis=1)
    elif question.mode == "calendar":
        found = calendar.periods[end_day - calendar.base] - calendar.periods
    else:
        found = (end_day - days) // DAYS[question.period]
    return sealed(np.clip(found, 0, MAX_PERIODS).astype(np.int64))


def calendar_of(period: str, first: int, last: int) -> Calendar:
    """The days from the period of `first` to `last` (days since 1970), both included."""
    start = _period_start(period, _EPOCH + timedelta(days=first))
    base = _days(start)
    numbers = np.arange(base, last + 1)
    if period == "day":
        periods = numbers - base
    elif period == "week":
        periods = (numbers - base) // 7
    else:
        months = numbers.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
        periods = months - months[0]
    firsts = np.flatnonzero(np.diff(periods, prepend=-1))
    starts = tuple(_EPOCH + timedelta(days=int(base + at)) for at in firsts)
    return Calendar(base, sealed(periods.astype(np.int32)), starts)


def _period_start(period: str, day: date) -> date:
    if period == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if period == "month" else day


def zone_stretches(first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the zone's offset changes between two seconds: starts of stretches and offsets."""
    zone = corp_zone()

    def shift(second: int) -> int:
        return int(datetime.fromtimestamp(second, zone).utcoffset().total_seconds())

    edges, shifts = [min(first, 0)], [shift(first)]
    step, at = 14 * kernel.DAY, first
    while at < last:
        after = min(at + step, last)
        if shift(after) != shifts[-1]:
            low, high = at, after
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if shift(middle) == shifts[-1] else (low, middle)
            edges.append(high)
            shifts.append(shift(high))
        at = after
    return sealed(np.array(edges, np.int64)), sealed(np.array(shifts, np.int64))


def _marks(
    question: RetentionQuestion,
    columns: Columns,
    number: int,
    kinds: dict[str, int],
    source: Source,
) -> tuple[np.ndarray, np.ndarray]:
    """(mask per code, code per event): which events are a birth, a return, or both."""
    code_of = {int(kind): code for code, kind in enumerate(columns.kind_ids)}
    masks = np.zeros(max(len(columns.kind_ids), 1), np.uint8)
    conditional: list[tuple[int, Step, int]] = []
    for bit, step in ((kernel.BIRTH, question.birth), (kernel.RETURN, question.comes_back)):
        code = code_of.get(kinds[step.event])
        if code is None:
            continue
        if step.conditions:
            conditional.append((bit, step, code))
        else:
            masks[code] |= bit
    if not conditional:
        return sealed(masks), columns.kinds
    codes = masks[columns.kinds]
    for bit, step, code in conditional:
        rows = np.flatnonzero(columns.kinds == code)
        codes[rows[source.matching(kinds[step.event], step.conditions, number)]] |= bit
    return sealed(np.arange(4, dtype=np.uint8)), sealed(codes)


def _days(day: date) -> int:
    return (day - _EPOCH).days


def _day_of(moment: datetime) -> int:
    return _days(moment.astimezone(corp_zone()).date())


def _day_at(second: int, zone: tuple[np.ndarray, np.ndarray]) -> int:
    return int(kernel.local_day(second, *zone, 0)[0])
