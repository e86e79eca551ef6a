"""Reading a question from words: the command, the API and the page all ask through here."""

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from analytics.funnels.question import (
    CUSTOMER,
    MAX_STEPS,
    UNIT_SECONDS,
    Condition,
    Exclusion,
    Question,
    QuestionRefused,
    Step,
)
from crm.shared.times import corp_zone, day_end

FIELDS = (
    "steps", "window", "step_window", "min_gap", "order", "entry", "unit", "count", "exclude",
    "hold", "from", "to", "as_of", "breakdown", "filters", "compare", "value",
)  # fmt: skip
DEFAULT_WINDOW = "30d"
# Names of files from anywhere may hold anything; those with blanks or commas stand in quotes.
_STEP = re.compile(r'(?:"([^"]{1,200})"|([^\s"\[\],]{1,200}))\s*(?:\[([^\[\]]*)\])?')
_PARTS = re.compile(r'(?:"[^"]*"|\[[^\[\]]*\]|[^,])+')
_CONDITION = re.compile(r"([^<>=!\s]+)\s*(>=|<=|!=|=|>|<|(?<=\s)in(?=\s))\s*(.+)", re.DOTALL)
_EXCLUSION = re.compile(r"(.+?)@([0-9]{1,2})-([0-9]{1,2})", re.DOTALL)


def question_from(values: Mapping[str, Any]) -> Question:
    """A question from plain values, as JSON or a command line gives them.

    Raises QuestionRefused, which names the field.
    """
    if unknown := sorted(set(values) - set(FIELDS)):
        raise QuestionRefused(
            _("没有「%(field)s」这一项；可用的有 %(fields)s")
            % {"field": str(unknown[0])[:40], "fields": "、".join(FIELDS)},
            field=str(unknown[0])[:40],
        )
    found = tuple(parse_step(part) for part in _parts(values.get("steps"), "steps"))
    step_window = _windows(values.get("step_window"), "step_window")
    return Question(
        steps=found,
        window=_window(values.get("window"), step_window, len(found)),
        step_window=step_window,
        min_gap=_windows(values.get("min_gap"), "min_gap"),
        unit=_text(values.get("unit") or CUSTOMER, "unit"),
        count=_text(values.get("count") or "unique", "count"),
        exclude=tuple(parse_exclusion(part) for part in _parts(values.get("exclude"), "exclude")),
        hold=_text(values.get("hold") or "", "hold").removeprefix("property:"),
        compare=_text(values.get("compare") or "", "compare"),
        value=_text(values.get("value") or "", "value").removeprefix("property:"),
        order=_text(values.get("order") or "ordered", "order"),
        entry=_text(values.get("entry") or "any", "entry"),
        since=parse_day(values.get("from"), "from"),
        until=parse_day(values.get("to"), "to"),
        as_of=parse_as_of(values.get("as_of")),
        breakdown=_names(values.get("breakdown")),
        filters=_filters(values.get("filters")),
    )


def parse_steps(text: str) -> tuple[Step, ...]:
    """Steps from `friend_added,order_paid[amount>=2000]`."""
    return tuple(parse_step(part) for part in split_steps(text) if part.strip())


def parse_step(text: str) -> Step:
    """One step from `order_paid[amount>=2000,product in tea|rice]`."""
    return _step(text, "steps")


def parse_exclusion(text: str) -> Exclusion:
    """An exclusion from `complained` or, between steps 2 and 3, `complained@2-3`."""
    if found := _EXCLUSION.fullmatch(text.strip()):
        step, after, before = found.groups()
        return Exclusion(_step(step, "exclude"), int(after), int(before))
    return Exclusion(_step(text, "exclude"), 1, MAX_STEPS)


def _step(text: str, field: str) -> Step:
    found = _STEP.fullmatch(text.strip())
    if not found:
        raise QuestionRefused(
            _(
                "看不懂步骤「%(step)s」：请写作 事件代码 或 事件代码[属性>=值]；"
                "名称里有空格或逗号时加双引号"
            )
            % {"step": text[:80]},
            field=field,
        )
    quoted, plain, tests = found.groups()
    event = (quoted or plain).strip()
    parts = (part for part in (tests or "").split(",") if part.strip())
    return Step(event, tuple(_condition(part, field) for part in parts))


def parse_window(text: str | int, field: str = "window") -> int:
    """Seconds from 30d, 12h, 90m, 10s, 2w; a bare number counts seconds."""
    found = re.fullmatch(r"\s*(\d{1,9})\s*([smhdw]?)\s*", str(text))
    if not found:
        raise QuestionRefused(
            _("看不懂转化窗口「%(window)s」：请写作 30d、12h、90m 或 10s")
            % {"window": str(text)[:40]},
            field=field,
        )
    number, unit = found.groups()
    return int(number) * UNIT_SECONDS[unit or "s"]


def parse_day(text: str | date | None, field: str) -> date | None:
    """A day from 2026-11-01, or none."""
    if not text or isinstance(text, date):
        return text or None
    try:
        return date.fromisoformat(_text(text, field).strip())
    except ValueError:
        raise QuestionRefused(
            _("看不懂日期「%(day)s」：请写作 2026-11-01") % {"day": str(text)[:40]}, field=field
        ) from None


def parse_as_of(text: str | datetime | None) -> datetime | None:
    """An instant; a bare day means its end, a time without zone is the corporation's."""
    if not text or isinstance(text, datetime):
        return text or None
    text = _text(text, "as_of").strip()
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return day_end(date.fromisoformat(text)) - timedelta(microseconds=1)
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise QuestionRefused(
            _("看不懂截至时间「%(text)s」：请写作 2026-11-01 或 2026-11-01T09:30:00+08:00")
            % {"text": str(text)[:40]},
            field="as_of",
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=corp_zone())


def split_steps(text: str) -> list[str]:
    """Parts between commas that stand outside brackets and quotes."""
    return _PARTS.findall(text)


def _parts(value: Any, field: str) -> list[str]:
    """Steps or exclusions, as a list or in one text."""
    if isinstance(value, list | tuple):
        return [_text(part, field) for part in value]
    return [part for part in split_steps(_text(value or "", field)) if part.strip()]


def _windows(value: Any, field: str) -> tuple[int, ...]:
    """Times between steps, as a list or in one text; one for all steps or one each."""
    if value in (None, ""):
        return ()
    parts = value if isinstance(value, list | tuple) else str(value).split(",")
    return tuple(parse_window(part, field) for part in parts)


def _window(value: Any, step_window: tuple[int, ...], steps: int) -> int:
    """The window; limits between all steps without one make their sum the window."""
    if value not in (None, ""):
        return parse_window(value)
    if not step_window:
        return parse_window(DEFAULT_WINDOW)
    return sum(step_window) * (max(steps - 1, 1) if len(step_window) == 1 else 1)


def _condition(text: str, field: str) -> Condition:
    found = _CONDITION.fullmatch(text.strip())
    if not found or "\x00" in text:
        raise QuestionRefused(
            _("看不懂条件「%(text)s」：请写作 amount>=2000、product=茶 或 city in 大理|丽江")
            % {"text": text[:80]},
            field=field,
        )
    return Condition(found[1], found[2], found[3].strip())


def _names(value: Any) -> tuple[str, ...]:
    names = value if isinstance(value, list | tuple) else _text(value or "", "breakdown").split(",")
    return tuple(_text(name, "breakdown").strip() for name in names if name)


def _filters(value: Any) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if not value:
        return ()
    if not isinstance(value, Mapping):
        raise QuestionRefused(_("filters 须写作 {维度: [值, …]}"), field="filters")
    return tuple(
        (
            str(name),
            tuple(
                _text(item, "filters")
                for item in (wanted if isinstance(wanted, list | tuple) else [wanted])
            ),
        )
        for name, wanted in value.items()
    )


def _text(value: Any, field: str) -> str:
    storable = isinstance(value, str) and "\x00" not in value
    if not storable or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise QuestionRefused(_("%(field)s 须是文字") % {"field": field}, field=field)
    return value
