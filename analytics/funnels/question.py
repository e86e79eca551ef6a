"""The question that a funnel answers, and exactly what it means.

**Level** of a customer: the greatest k such that k different events match steps 1..k with
t1 <= t2 <= .. <= tk and tk - t1 <= window. Any event that matches step 1 and lies in the cohort
dates may be the entry (`entry="first"`: only the customer's very first such event). Events of the
same instant may be taken in either order. `strict_increase` asks for t1 < t2 < ..; `any` counts the
most different steps inside one [t, t + window], whichever step opens it, so that step k then means
"any k of the steps".

**Chosen chain**: the earliest entry that attains the customer's best level, each later step as
early as possible. Breakdowns and filters take their value as of that entry: what the entry itself
says, else what the customer's latest earlier event says, else what is on the customer's record.

**Three states**. Reached(k) are the customers of level >= k; of them *converted* are those of
level >= k + 1. Who stays at level k is *open* as long as the window of any of their entries has
not run out at the as-of moment (they can still rise), and *dropped* afterwards. So reached =
converted + dropped + open, and only a late event can turn a dropped customer into a converted one.
Who reached the last step is done: all of them count as converted there.

**As of**: events after this moment are left out. Without one, nothing is left out, and windows are
measured against the data time: the moment at which the newest fact was recorded.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Literal

from django.utils.translation import gettext as _

from crm.shared.errors import DomainError
from crm.shared.times import day_end, day_start

MAX_STEPS = 12
MAX_CELLS = 50_000
MAX_WINDOW = 20 * 366 * 86_400
ORDERS = ("ordered", "strict_increase", "any")
ENTRIES = ("any", "first")
DIMENSIONS = ("channel", "team", "agent", "stage", "week")
FILTERS = ("channel", "team", "agent", "stage")
STATES = ("reached", "converted", "dropped", "open")
UNIT_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


class QuestionRefused(DomainError):
    """The question cannot be answered as asked; the message names the field and the remedy."""

    code = "impossible_question"


@dataclass(frozen=True)
class Condition:
    """A test of one property of the event, such as amount >= 2000."""

    name: str
    comparison: str
    value: str

    def __str__(self) -> str:
        return f"{self.name}{self.comparison}{self.value}"


@dataclass(frozen=True)
class Step:
    """One step: an event, and conditions that it must all meet."""

    event: str
    conditions: tuple[Condition, ...] = ()

    def __str__(self) -> str:
        tests = ",".join(str(condition) for condition in self.conditions)
        return f"{self.event}[{tests}]" if tests else self.event


@dataclass(frozen=True)
class Question:
    """A funnel question about customers. Dates are days of the corporation, both included."""

    steps: tuple[Step, ...]
    window: int
    order: Literal["ordered", "strict_increase", "any"] = "ordered"
    entry: Literal["any", "first"] = "any"
    since: date | None = None
    until: date | None = None
    as_of: datetime | None = None
    breakdown: tuple[str, ...] = ()
    filters: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def __post_init__(self) -> None:
        _check_steps(self.steps)
        _check_choice("order", self.order, ORDERS)
        _check_choice("entry", self.entry, ENTRIES)
        if not 1 <= self.window <= MAX_WINDOW:
            raise QuestionRefused(
                _("转化窗口须在 1 秒到 20 年之间，例如 30d、12h、90m 或 10s"), field="window"
            )
        for field, day in (("from", self.since), ("to", self.until), ("as_of", self.as_of)):
            if day and not 1970 <= day.year <= 2105:
                raise QuestionRefused(_("日期须在 1970 年到 2105 年之间"), field=field)
        if self.since and self.until and self.since > self.until:
            raise QuestionRefused(
                _("入口日期的开始（%(since)s）晚于结束（%(until)s），请对调")
                % {"since": self.since, "until": self.until},
                field="from",
            )
        if self.as_of and self.since and self.as_of < day_start(self.since):
            raise QuestionRefused(
                _("截至时间早于入口日期的开始，没有可统计的事件；请改晚截至时间"), field="as_of"
            )
        _check_breakdown(self.breakdown)
        for name, _values in self.filters:
            _check_choice("filters", name, FILTERS)

    @property
    def cohort(self) -> tuple[datetime | None, datetime | None]:
        """The cohort dates as instants, half open."""
        return (
            day_start(self.since) if self.since else None,
            day_end(self.until) if self.until else None,
        )

    def as_json(self) -> dict[str, Any]:
        """The question in the words of the command and the API."""
        return {
            "steps": [str(step) for step in self.steps],
            "window": window_text(self.window),
            "order": self.order,
            "entry": self.entry,
            "from": self.since.isoformat() if self.since else None,
            "to": self.until.isoformat() if self.until else None,
            "as_of": self.as_of.isoformat() if self.as_of else None,
            "breakdown": list(self.breakdown),
            "filters": {name: list(values) for name, values in self.filters},
        }

    def replaced(self, **changes: Any) -> "Question":
        """The same question with some parts changed."""
        return replace(self, **changes)


def window_text(seconds: int) -> str:
    """The shortest exact form of a window: 30d, 12h, 90m, 10s."""
    for unit in ("d", "h", "m"):
        if seconds and seconds % UNIT_SECONDS[unit] == 0:
            return f"{seconds // UNIT_SECONDS[unit]}{unit}"
    return f"{seconds}s"


def _check_steps(steps: tuple[Step, ...]) -> None:
    if not steps:
        raise QuestionRefused(_("漏斗至少要有一个步骤，请选择事件"), field="steps")
    if len(steps) > MAX_STEPS:
        raise QuestionRefused(
            _("漏斗有 %(n)s 个步骤，最多 %(max)s 个，请删去一些")
            % {"n": len(steps), "max": MAX_STEPS},
            field="steps",
        )


def _check_choice(field: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise QuestionRefused(
            _("「%(value)s」不可选，请从 %(choices)s 中选一个")
            % {"value": str(value)[:40], "choices": "、".join(choices)},
            field=field,
        )


def _check_breakdown(names: tuple[str, ...]) -> None:
    for name in names:
        _check_choice("breakdown", name, DIMENSIONS)
    if len(names) > 2 or len(set(names)) < len(names):
        raise QuestionRefused(_("最多按两个不同的维度细分"), field="breakdown")
