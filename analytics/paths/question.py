"""The question that paths answer, and exactly what it means.

**Anchor**: the customer's first event that matches the step and lies in the dates.

**Path**: the customer's next `depth` events after the anchor (`after`), or the last ones before it,
backwards (`before`), in order of time and, at one instant, of recording, at most `window` away from
the anchor, inclusive. Events named in `ignore` are passed over. The same event several times in a
row is one place, the anchor's own included, unless `repeats` is asked for.

A path that has fewer places has **ended**: nothing else lies in the window. After the anchor it is
still **open** instead where the window is not over at the as-of moment.

The most frequent events of each place are shown, at most `top`; all others together are `other`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from django.utils.translation import gettext as _

from analytics.funnels.parsing import parse_as_of, parse_day, parse_step, parse_window
from analytics.funnels.question import MAX_WINDOW, QuestionRefused, Step, window_text
from crm.shared.times import day_end, day_start

DIRECTIONS = ("after", "before")
FIELDS = (
    "event", "direction", "window", "depth", "top", "ignore", "repeats", "from", "to", "as_of",
)  # fmt: skip
MAX_DEPTH, MAX_TOP, MAX_IGNORED = 6, 20, 50
ENDED, OPEN, OTHER = "-ended", "-open", "-other"  # No event is called like this: see parse_step.
DEFINITION_VERSION = 1


@dataclass(frozen=True)
class PathQuestion:
    """Where do people go after an event, or where did they come from?"""

    event: Step
    direction: Literal["after", "before"] = "after"
    window: int = 7 * 86_400
    depth: int = 3
    top: int = 6
    ignore: tuple[str, ...] = ()
    repeats: bool = False
    since: date | None = None
    until: date | None = None
    as_of: datetime | None = None

    def __post_init__(self) -> None:
        if self.direction not in DIRECTIONS:
            raise QuestionRefused(
                _("「%(value)s」不可选，请从 %(choices)s 中选一个")
                % {"value": str(self.direction)[:40], "choices": "、".join(DIRECTIONS)},
                field="direction",
            )
        if not 1 <= self.window <= MAX_WINDOW:
            raise QuestionRefused(
                _("时间范围须在 1 秒到 20 年之间，例如 7d、12h、90m 或 10s"), field="window"
            )
        for field, value, most in (("depth", self.depth, MAX_DEPTH), ("top", self.top, MAX_TOP)):
            if not 1 <= value <= most:
                raise QuestionRefused(
                    _("须是 1 到 %(max)s 之间的整数") % {"max": most}, field=field
                )
        if len(self.ignore) > MAX_IGNORED:
            raise QuestionRefused(
                _("最多略过 %(max)s 种事件") % {"max": MAX_IGNORED}, field="ignore"
            )
        self._check_days()

    def _check_days(self) -> None:
        for field, day in (("from", self.since), ("to", self.until), ("as_of", self.as_of)):
            if day and not 1970 <= day.year <= 2105:
                raise QuestionRefused(_("日期须在 1970 年到 2105 年之间"), field=field)
        if self.since and self.until and self.since > self.until:
            raise QuestionRefused(
                _("开始日期（%(since)s）晚于结束日期（%(until)s），请对调")
                % {"since": self.since, "until": self.until},
                field="from",
            )

    @property
    def cohort(self) -> tuple[datetime | None, datetime | None]:
        """The dates of the anchor as instants, half open."""
        return (
            day_start(self.since) if self.since else None,
            day_end(self.until) if self.until else None,
        )

    def as_json(self) -> dict[str, Any]:
        """The question in the words of the command and the API."""
        return {
            "event": str(self.event),
            "direction": self.direction,
            "window": window_text(self.window),
            "depth": self.depth,
            "top": self.top,
            "ignore": list(self.ignore),
            "repeats": self.repeats,
            "from": self.since.isoformat() if self.since else None,
            "to": self.until.isoformat() if self.until else None,
            "as_of": self.as_of.isoformat() if self.as_of else None,
        }


def path_from(values: Mapping[str, Any]) -> PathQuestion:
    """A question from plain values; raises QuestionRefused, which names the field."""
    if unknown := sorted(set(values) - set(FIELDS)):
        raise QuestionRefused(
            _("没有「%(field)s」这一项；可用的有 %(fields)s")
            % {"field": str(unknown[0])[:40], "fields": "、".join(FIELDS)},
            field=str(unknown[0])[:40],
        )
    given = {name: value for name, value in values.items() if value not in (None, "")}
    return PathQuestion(
        event=_event(given.get("event")),
        direction=_word(given.get("direction", "after"), "direction"),
        window=parse_window(given.get("window", "7d")),
        depth=_whole(given.get("depth", 3), "depth"),
        top=_whole(given.get("top", 6), "top"),
        ignore=_names(given.get("ignore", ())),
        repeats=given.get("repeats") in (True, "true", "1", "on", "yes"),
        since=parse_day(given.get("from"), "from"),
        until=parse_day(given.get("to"), "to"),
        as_of=parse_as_of(given.get("as_of")),
    )


def _event(value: Any) -> Step:
    if not isinstance(value, str) or not value.strip():
        raise QuestionRefused(_("请选择事件"), field="event")
    try:
        return parse_step(value)
    except QuestionRefused as refusal:
        raise QuestionRefused(str(refusal), field="event") from refusal


def _names(value: Any) -> tuple[str, ...]:
    parts = value if isinstance(value, list | tuple) else _word(value, "ignore").split(",")
    names = (_word(part, "ignore").strip() for part in parts)
    return tuple(dict.fromkeys(name for name in names if name))


def _word(value: Any, field: str) -> Any:
    if not isinstance(value, str):
        raise QuestionRefused(_("%(field)s 须是文字") % {"field": field}, field=field)
    return value


def _whole(value: Any, field: str) -> int:
    text = str(value).strip()
    if not (text.isascii() and text.isdigit() and len(text) < 5):
        raise QuestionRefused(_("请填写整数"), field=field)
    return int(text)
