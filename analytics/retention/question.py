"""The question that a retention table answers, and exactly what it means.

**Birth**: the customer's first event that matches the birth step. It decides the cohort (the
calendar week or month, or day, of the corporation) and opens period 0.

**Return**: any event that matches the return step. The birth event itself is no return, nor is an
event that matches the birth step too and lies on the birth day (a second order of the same day).

**Periods**. Rolling: period j covers the local days j*L to j*L + L - 1 after the birth day (L = 1,
7 or 30). Calendar: the j-th calendar day, week (Monday) or month after that of the birth. Brackets:
`1,3,7` are the days 1 to 1, 2 to 3 and 4 to 7 after the birth day, each end included.

**Kind**. `on`: a return inside the period. `on_or_after`: a return in it or later. `bracket`: a
return on one of the bracket's days.

**Eligible** for a period are only customers whose whole period lies before the end of the data (or
the as-of moment). Over all cohorts: sum of returned / sum of eligible.

Source: analytics methods, section 2; Amplitude's default (rolling 24 hours) differs.
"""

import itertools
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from django.utils.translation import gettext as _

from analytics.funnels.question import QuestionRefused, Step
from crm.shared.times import day_start

PERIODS = ("day", "week", "month")
KINDS = ("on", "on_or_after", "bracket")
MODES = ("rolling", "calendar")
STATES = ("eligible", "returned", "absent")
DAYS = {"day": 1, "week": 7, "month": 30}
MAX_PERIODS = 60
MAX_BRACKET_DAY = 3_660
DEFINITION_VERSION = 1


@dataclass(frozen=True)
class RetentionQuestion:
    """Do customers who had the birth event come back? Dates are days of birth, both included."""

    birth: Step
    comes_back: Step
    period: Literal["day", "week", "month"] = "week"
    kind: Literal["on", "on_or_after", "bracket"] = "on"
    mode: Literal["rolling", "calendar"] = "rolling"
    brackets: tuple[int, ...] = ()
    since: date | None = None
    until: date | None = None
    as_of: datetime | None = None

    def __post_init__(self) -> None:
        for field, value, choices in (
            ("period", self.period, PERIODS),
            ("kind", self.kind, KINDS),
            ("mode", self.mode, MODES),
        ):
            if value not in choices:
                raise QuestionRefused(
                    _("「%(value)s」不可选，请从 %(choices)s 中选一个")
                    % {"value": str(value)[:40], "choices": "、".join(choices)},
                    field=field,
                )
        self._check_brackets()
        self._check_days()

    def _check_brackets(self) -> None:
        if self.kind != "bracket":
            if self.brackets:
                raise QuestionRefused(
                    _("只有按区间统计（bracket）才用天数区间，请去掉区间或改选区间"),
                    field="brackets",
                )
            return
        days = self.brackets
        rising = all(low < high for low, high in itertools.pairwise(days))
        if not days or days[0] < 1 or days[-1] > MAX_BRACKET_DAY or not rising:
            raise QuestionRefused(
                _("天数区间须是从小到大的天数，例如 1,3,7,14,30，最大 %(max)s")
                % {"max": MAX_BRACKET_DAY},
                field="brackets",
            )
        if len(days) > MAX_PERIODS:
            raise QuestionRefused(
                _("最多 %(max)s 个区间，请减少") % {"max": MAX_PERIODS}, field="brackets"
            )

    def _check_days(self) -> None:
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

    @property
    def ranges(self) -> tuple[tuple[int, int], ...]:
        """Days of each bracket, both ends included."""
        lows = (1, *(day + 1 for day in self.brackets[:-1]))
        return tuple(zip(lows, self.brackets, strict=True)) if self.brackets else ()

    def as_json(self) -> dict[str, Any]:
        """The question in the words of the command and the API."""
        return {
            "birth": str(self.birth),
            "return": str(self.comes_back),
            "period": self.period,
            "kind": self.kind,
            "mode": self.mode,
            "brackets": list(self.brackets),
            "from": self.since.isoformat() if self.since else None,
            "to": self.until.isoformat() if self.until else None,
            "as_of": self.as_of.isoformat() if self.as_of else None,
        }
