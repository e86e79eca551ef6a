"""The answer in rows, made once: page and file show the same ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from analytics.charts.rates import Rate
from analytics.figures.numbers import Number, meaning
from analytics.replies.figures import definition, state_labels
from analytics.replies.queries import MARKS, RepliesAnswer, ReplyRow
from analytics.replies.survival import Waits
from crm.shared.formatting import digits, duration

RANKED_FROM = 3
SORTS = {
    "turns": lambda row: row.turns,
    "customers": lambda row: row.customers,
    "unanswered": lambda row: row.customers_unanswered,
    "off_hours": lambda row: row.customers_off_hours,
    "calendar": lambda row: row.calendar.quantile(0.5),
    "calendar_p90": lambda row: row.calendar.quantile(0.9),
    "working": lambda row: row.working.quantile(0.5),
    "working_p90": lambda row: row.working.quantile(0.9),
}


@dataclass(frozen=True)
class Line:
    """A row as the page shows it: numbers of people open, waits are words."""

    row: ReplyRow
    customers: Number
    unanswered: Number
    off_hours: Number
    calendar: str
    calendar_p90: str
    working: str
    working_p90: str
    same_day: Rate


def lines(answer: RepliesAnswer, people: str, sort: str) -> list[Line]:
    """One line an agent. ``people`` is the address of the figures, without a query.

    Fewer than three people are not ranked. With waits, those with few turns stand last: their
    quantile is chance.
    """
    return [line(row, answer, people) for row in _ranked(answer.rows, sort)]


def line(row: ReplyRow, answer: RepliesAnswer, people: str) -> Line:
    """A line for one agent, or for all of them."""
    pairs = [(name, value) for name, value in answer.question.pairs() if name != "agent"]
    agents = [str(row.agent_id)] if row.agent_id else map(str, answer.question.agents)
    pairs += [("agent", pk) for pk in agents]
    labels = state_labels()

    def number(value: int, state: str) -> Number:
        href = f"{people}?{urlencode([*pairs, ('state', state)])}"
        note = meaning(definition(), data_time=answer.as_of)
        return Number(value, href, f"{row.name} {labels[state]}".strip(), note)

    return Line(
        row=row,
        customers=number(row.customers, "all"),
        unanswered=number(row.customers_unanswered, "unanswered"),
        off_hours=number(row.customers_off_hours, "off_hours"),
        calendar=wait_words(row, row.calendar, 0.5),
        calendar_p90=wait_words(row, row.calendar, 0.9),
        working=wait_words(row, row.working, 0.5),
        working_p90=wait_words(row, row.working, 0.9),
        same_day=row.same_day,
    )


def wait_words(row: ReplyRow, known: Waits, share: float) -> str:
    """A quantile in words; without turns there is none, and some have not been reached yet."""
    if not row.turns:
        return duration(None)
    seconds = known.quantile(share)
    return _("还没到") if seconds is None else duration(seconds)


def _ranked(rows: list[ReplyRow], sort: str) -> list[ReplyRow]:
    key = SORTS.get(sort.removeprefix("-"))
    if key is None or len(rows) < RANKED_FROM:
        return rows
    waits = sort.removeprefix("-").startswith(("calendar", "working"))
    sure = [row for row in rows if key(row) is not None and not (waits and row.is_small)]
    ids = {row.agent_id for row in sure}
    rest = [row for row in rows if row.agent_id not in ids]
    return sorted(sure, key=key, reverse=sort.startswith("-")) + rest


def curve_rows(total: ReplyRow) -> list[tuple[str, float, float]]:
    """The curve in numbers: within how long, share by the calendar, share by working time."""
    return [
        (duration(mark), total.calendar.within(mark), total.working.within(mark)) for mark in MARKS
    ]


def finding(answer: RepliesAnswer) -> str:
    """The answer in a sentence."""
    total = answer.total
    if not total.turns:
        return _("这些天没有客户来话")
    median = total.working.quantile(0.5)
    if median is None:
        words = _("%(turns)s 轮来话里 %(open)s 轮没等到回复，还说不出中位数")
        return words % {"turns": digits(total.turns), "open": digits(total.unanswered)}
    words = _("一半来话在 %(wait)s 工时内得到回复；%(turns)s 轮里 %(open)s 轮没等到")
    return words % {
        "wait": duration(median),
        "turns": digits(total.turns),
        "open": digits(total.unanswered),
    }


def file_header() -> list[str]:
    """Columns of the file; waits are in seconds."""
    return [
        _("员工"),
        _("部门"),
        _("来话轮次"),
        _("已回复"),
        _("没等到回复"),
        _("工作时间外来话"),
        _("来话客户"),
        _("没等到回复的客户"),
        _("工作时间外来话的客户"),
        _("自然时间中位数（秒）"),
        _("自然时间 P90（秒）"),
        _("工时中位数（秒）"),
        _("工时 P90（秒）"),
        _("当日回复（企微口径）"),
        _("客户先开口的会话（企微口径）"),
        _("数据时间"),
    ]


def file_rows(answer: RepliesAnswer) -> Iterator[list[Any]]:
    """All agents, then the sum."""
    for row in answer.rows:
        yield [row.name, row.department, *_cells(row, answer.as_of)]
    yield [_("合计"), "", *_cells(answer.total, answer.as_of)]


def _cells(row: ReplyRow, as_of: datetime) -> list[Any]:
    counts = [row.turns, row.answered, row.unanswered, row.off_hours]
    people = [row.customers, row.customers_unanswered, row.customers_off_hours]
    waits = [known.quantile(share) for known in (row.calendar, row.working) for share in (0.5, 0.9)]
    rounded = [wait if wait is None else round(wait, 3) for wait in waits]
    return [*counts, *people, *rounded, row.same_day.x, row.same_day.n, as_of]
