"""What a question may say, and refusals of everything else: each names field and remedy."""

import re
from typing import Any

from django.utils.translation import gettext as _

from crm.shared.errors import DomainError
from crm.shared.times import day_start

MAX_STEPS = 16
MAX_CELLS = 50_000
MAX_EXCLUSIONS = 8
MAX_WINDOW = 20 * 366 * 86_400
ORDERS = ("ordered", "strict_increase", "any", "strict")
ENTRIES = ("any", "first")
COUNTS = ("unique", "totals")
COMPARISONS = ("", "previous")
DIMENSIONS = ("channel", "team", "agent", "stage", "week")
FILTERS = ("channel", "team", "agent", "stage")
STATES = ("reached", "converted", "dropped", "open")
UNIT_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
CUSTOMER = "customer"
PROPERTY = "property:"
_TOUCHED = ("channel", "team", "agent")


class QuestionRefused(DomainError):
    """The question cannot be answered as asked; the message names the field and the remedy."""

    code = "impossible_question"


def check(question: Any) -> None:
    """Raise QuestionRefused unless every part, and the parts together, can be meant."""
    _check_steps(question.steps)
    _check_choice("order", question.order, ORDERS)
    _check_choice("entry", question.entry, ENTRIES)
    _check_choice("count", question.count, COUNTS)
    _check_choice("compare", question.compare, COMPARISONS)
    if not 1 <= question.window <= MAX_WINDOW:
        raise QuestionRefused(
            _("转化窗口须在 1 秒到 20 年之间，例如 30d、12h、90m 或 10s"), field="window"
        )
    _check_gaps(question)
    _check_dates(question)
    _check_names(question)
    _check_exclusions(question)
    _check_together(question)


def _check_steps(steps: tuple[Any, ...]) -> None:
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
            % {"value": str(value)[:40], "choices": "、".join(filter(None, choices))},
            field=field,
        )


def _check_gaps(question: Any) -> None:
    gaps = len(question.steps) - 1
    for field, given, least in (
        ("step_window", question.step_window, 1),
        ("min_gap", question.min_gap, 0),
    ):
        if len(given) not in (0, 1, gaps) or (given and not gaps):
            raise QuestionRefused(
                _("请给一个时长，或给 %(n)s 个：每两个相邻步骤之间一个") % {"n": gaps}, field=field
            )
        if any(not least <= seconds <= MAX_WINDOW for seconds in given):
            raise QuestionRefused(
                _("步骤之间的时长须在 %(least)s 秒到 20 年之间") % {"least": least}, field=field
            )
    if sum(question.shortest_gaps) > question.window:
        raise QuestionRefused(
            _("最短间隔加起来比转化窗口还长，谁也走不完；请放宽窗口或缩短间隔"), field="min_gap"
        )
    pairs = zip(question.shortest_gaps, question.longest_gaps, strict=True)
    if any(shortest > longest for shortest, longest in pairs):
        raise QuestionRefused(
            _("最短间隔比步骤之间的最长时间还长，谁也走不到；请改其中一个"), field="min_gap"
        )


def _check_dates(question: Any) -> None:
    since, until, as_of = question.since, question.until, question.as_of
    for field, day in (("from", since), ("to", until), ("as_of", as_of)):
        if day and not 1970 <= day.year <= 2105:
            raise QuestionRefused(_("日期须在 1970 年到 2105 年之间"), field=field)
    if since and until and since > until:
        raise QuestionRefused(
            _("入口日期的开始（%(since)s）晚于结束（%(until)s），请对调")
            % {"since": since, "until": until},
            field="from",
        )
    if as_of and since and as_of < day_start(since):
        raise QuestionRefused(
            _("截至时间早于入口日期的开始，没有可统计的事件；请改晚截至时间"), field="as_of"
        )
    if question.compare and not (since and until):
        raise QuestionRefused(
            _("与上一期比较要先选定入口日期的开始和结束"), field="from" if not since else "to"
        )


def _check_names(question: Any) -> None:
    for name in question.breakdown:
        _check_dimension("breakdown", name, len(question.steps))
    if len(question.breakdown) > 2 or len(set(question.breakdown)) < len(question.breakdown):
        raise QuestionRefused(_("最多按两个不同的维度细分"), field="breakdown")
    for name, _values in question.filters:
        if not _is_property(name):
            _check_choice("filters", name, (*FILTERS, "property:…"))
    if question.unit != CUSTOMER and not _is_property(question.unit):
        _check_choice("unit", question.unit, (CUSTOMER, "property:…"))
    for field in ("hold", "value"):
        if "\x00" in getattr(question, field) or len(getattr(question, field)) > 64:
            raise QuestionRefused(_("属性名最多 64 个字符"), field=field)


def _check_dimension(field: str, name: str, steps: int) -> None:
    attribute, at, place = name.rpartition("@")
    attribute = attribute if at else name
    if not _is_property(attribute):
        _check_choice(field, attribute, (*(_TOUCHED if at else DIMENSIONS), "property:…"))
    if at and place not in ("first", "last") and not _is_step(place, steps):
        raise QuestionRefused(
            _("「%(name)s」读不懂：@ 后面写 first、last 或 1 到 %(n)s 的步骤号")
            % {"name": name[:40], "n": steps},
            field=field,
        )


def _is_property(name: str) -> bool:
    return re.fullmatch(r"property:[^\s@\x00,|=]{1,64}", name) is not None


def _is_step(place: str, steps: int) -> bool:
    return place.isascii() and place.isdigit() and len(place) < 3 and 1 <= int(place) <= steps


def _check_exclusions(question: Any) -> None:
    steps, last = question.steps, len(question.steps)
    if len(question.exclude) > MAX_EXCLUSIONS:
        raise QuestionRefused(_("最多排除 %(n)s 种事件") % {"n": MAX_EXCLUSIONS}, field="exclude")
    if question.exclude and last < 2:
        raise QuestionRefused(
            _("只有一个步骤，中间没有可排除的事件；请再加一步或去掉排除"), field="exclude"
        )
    for exclusion in question.exclude:
        before = last if exclusion.before == MAX_STEPS else exclusion.before
        if not 1 <= exclusion.after < before <= last:
            raise QuestionRefused(
                _("「%(text)s」排除的区间不对：须是 1 到 %(n)s 之间从小到大的两步")
                % {"text": str(exclusion)[:80], "n": last},
                field="exclude",
            )
        if exclusion.step in steps[exclusion.after : before - 1]:
            raise QuestionRefused(
                _("「%(text)s」既是中间的步骤又被排除，谁也走不完；请去掉一个")
                % {"text": str(exclusion.step)[:80]},
                field="exclude",
            )


def _check_together(question: Any) -> None:
    if question.order == "any":
        for field in ("step_window", "min_gap", "exclude"):
            if getattr(question, field):
                raise QuestionRefused(
                    _("任意次序的步骤没有先后，不能限定步骤之间的时间或事件；请改为依次"),
                    field=field,
                )
    if question.count == "totals" and question.entry == "first":
        raise QuestionRefused(
            _("按次数统计会数每一次进入，不能只看第一次；请改其中一个"), field="entry"
        )
    if question.unit != CUSTOMER:
        if "stage" in question.breakdown:
            raise QuestionRefused(
                _("阶段是客户的，不是会话的；请按客户统计或换一个维度"), field="breakdown"
            )
        if "stage" in dict(question.filters):
            raise QuestionRefused(
                _("阶段是客户的，不是会话的；请按客户统计或换一个维度"), field="filters"
            )
