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

**Bounds between steps**: `step_window` is the longest and `min_gap` the shortest time from one
event of the chain to the next, both inclusive, one for all or one each. `strict` asks for
consecutive events: whatever lies, in time, strictly between the first and the last event of the
chain belongs to it. An **exclusion** between steps i and j rejects every chain that has such an
event strictly between its i-th event and its j-th (or its last one, where it ends before j);
another chain may do.
`hold` asks for one value of that property on all events of the chain; who does not say it is out.
With `step_window` a customer is open only while some chain may still go on in time.

**Totals** (`count="totals"`) counts attempts: one opens at a step 1, ignores further step 1s and
closes when it is complete or its window is over; the next opens at the first later step 1. An event
serves one attempt. Its chain is what the definition above says of that entry.

**Unit**: the customer, or `property:NAME`: all events that say the same value of it, such as one
session; events that do not say it are left out.

**Breakdowns** `property:NAME` take the value on the entry; with `@last` or `@s` on the last or the
s-th event of the chain. **Value** is the sum of a number, the amount in cents where nothing else is
named, over the chain's events at that step.

**Settled** are people whose windows are all over, whatever they did. A share among them does not
depend on when it is read, so read early it estimates the final one, and its interval says how well.

**As of**: events after this moment are left out. Without one, nothing is left out, and windows are
measured against the data time: the moment at which the newest fact was recorded.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Literal

from analytics.funnels.refusals import (
    COMPARISONS,
    COUNTS,
    CUSTOMER,
    DIMENSIONS,
    ENTRIES,
    FILTERS,
    MAX_CELLS,
    MAX_STEPS,
    MAX_WINDOW,
    ORDERS,
    PROPERTY,
    STATES,
    UNIT_SECONDS,
    QuestionRefused,
    check,
)
from crm.shared.times import day_end, day_start

__all__ = [
    "COMPARISONS",
    "COUNTS",
    "CUSTOMER",
    "DIMENSIONS",
    "ENTRIES",
    "FILTERS",
    "MAX_CELLS",
    "MAX_STEPS",
    "MAX_WINDOW",
    "ORDERS",
    "PROPERTY",
    "STATES",
    "UNIT_SECONDS",
    "Condition",
    "Exclusion",
    "Question",
    "QuestionRefused",
    "Step",
]


@dataclass(frozen=True)
class Condition:
    """A test of one property of the event, such as amount >= 2000; `in` takes a|b|c."""

    name: str
    comparison: str
    value: str

    def __str__(self) -> str:
        middle = " in " if self.comparison == "in" else self.comparison
        return f"{self.name}{middle}{self.value}"

    @property
    def choices(self) -> tuple[str, ...]:
        """The values of an `in`."""
        return tuple(part.strip() for part in self.value.split("|"))


@dataclass(frozen=True)
class Step:
    """One step: an event, and conditions that it must all meet."""

    event: str
    conditions: tuple[Condition, ...] = ()

    def __str__(self) -> str:
        plain = not any(letter.isspace() or letter in ",[]@" for letter in self.event)
        return (self.event if plain else f'"{self.event}"') + self.tests

    @property
    def tests(self) -> str:
        """The conditions in brackets, or nothing."""
        tests = ",".join(str(condition) for condition in self.conditions)
        return f"[{tests}]" if tests else ""


@dataclass(frozen=True)
class Exclusion:
    """An event that a chain may not have between its events `after` and `before` (from 1)."""

    step: Step
    after: int = 1
    before: int = MAX_STEPS

    def __str__(self) -> str:
        whole = (self.after, self.before) == (1, MAX_STEPS)
        return str(self.step) if whole else f"{self.step}@{self.after}-{self.before}"


@dataclass(frozen=True)
class Question:
    """A funnel question. Dates are days of the corporation, both included; times are seconds."""

    steps: tuple[Step, ...]
    window: int
    order: Literal["ordered", "strict_increase", "any", "strict"] = "ordered"
    entry: Literal["any", "first"] = "any"
    since: date | None = None
    until: date | None = None
    as_of: datetime | None = None
    breakdown: tuple[str, ...] = ()
    filters: tuple[tuple[str, tuple[str, ...]], ...] = ()
    unit: str = CUSTOMER
    step_window: tuple[int, ...] = ()
    min_gap: tuple[int, ...] = ()
    exclude: tuple[Exclusion, ...] = ()
    hold: str = ""
    count: Literal["unique", "totals"] = "unique"
    compare: Literal["", "previous"] = ""
    value: str = ""

    def __post_init__(self) -> None:
        check(self)

    @property
    def cohort(self) -> tuple[datetime | None, datetime | None]:
        """The cohort dates as instants, half open."""
        return (
            day_start(self.since) if self.since else None,
            day_end(self.until) if self.until else None,
        )

    @property
    def longest_gaps(self) -> tuple[int, ...]:
        """For each step after the first, the most seconds since the step before."""
        return _each(self.step_window, len(self.steps) - 1, self.window)

    @property
    def shortest_gaps(self) -> tuple[int, ...]:
        """For each step after the first, the least seconds since the step before."""
        return _each(self.min_gap, len(self.steps) - 1, 0)

    @property
    def extras(self) -> tuple[str, ...]:
        """Fields used that go beyond steps, window, order, entry, dates and simple breakdowns.

        An engine that knows none of them may refuse such a question; it may not ignore them.
        """
        used = [
            name
            for name in ("step_window", "min_gap", "exclude", "hold", "value")
            if getattr(self, name)
        ]
        used += ["unit"] if self.unit != CUSTOMER else []
        used += ["count"] if self.count == "totals" else []
        used += ["order"] if self.order == "strict" else []
        named = (*self.breakdown, *(name for name, _values in self.filters))
        return tuple(used + (["breakdown"] if any(n not in DIMENSIONS for n in named) else []))

    def as_json(self) -> dict[str, Any]:
        """The question in the words of the command and the API."""
        return {
            "steps": [str(step) for step in self.steps],
            "window": window_text(self.window),
            "step_window": [window_text(seconds) for seconds in self.step_window],
            "min_gap": [window_text(seconds) for seconds in self.min_gap],
            "order": self.order,
            "entry": self.entry,
            "unit": self.unit,
            "count": self.count,
            "exclude": [str(exclusion) for exclusion in self.exclude],
            "hold": self.hold,
            "from": self.since.isoformat() if self.since else None,
            "to": self.until.isoformat() if self.until else None,
            "as_of": self.as_of.isoformat() if self.as_of else None,
            "breakdown": list(self.breakdown),
            "filters": {name: list(values) for name, values in self.filters},
            "compare": self.compare,
            "value": self.value,
        }

    def replaced(self, **changes: Any) -> "Question":
        """The same question with some parts changed."""
        return replace(self, **changes)

    def previous(self, now: datetime) -> "Question":
        """The same question of the period just before, read at the same age as this one at `now`.

        Otherwise an older period would win by nothing but the time its customers had.
        """
        length = self.until - self.since + date.resolution
        return replace(
            self,
            since=self.since - length,
            until=self.until - length,
            as_of=(self.as_of or now) - length,
            compare="",
        )


def window_text(seconds: int) -> str:
    """The shortest exact form of a window: 30d, 12h, 90m, 10s."""
    for unit in ("d", "h", "m"):
        if seconds and seconds % UNIT_SECONDS[unit] == 0:
            return f"{seconds // UNIT_SECONDS[unit]}{unit}"
    return f"{seconds}s"


def touch_of(name: str) -> tuple[str, int]:
    """A breakdown's attribute and where it is read: 0 as of the entry, -1 last event, else step s.

    `property:platform` is read on the entry event itself (step 1).
    """
    attribute, at, place = name.rpartition("@")
    if not at:
        return name, int(name.startswith(PROPERTY))
    return attribute, {"first": 1, "last": -1}.get(place) or int(place)


def _each(given: tuple[int, ...], number: int, otherwise: int) -> tuple[int, ...]:
    if not given:
        return (otherwise,) * number
    return given * number if len(given) == 1 else given
