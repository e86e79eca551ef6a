"""The funnel's form: it collects words from the query string, the question decides."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from analytics.funnels.parsing import question_from, split_steps
from analytics.funnels.queries import Figure, default_values
from analytics.funnels.question import MAX_STEPS, STATES, Question, QuestionRefused

# What belongs to a figure or a place in a list, not to the question.
FIGURE_FIELDS = (
    "step", "state", "answer", "after", "before", "panel", "csrfmiddlewaretoken", "name",
    "audience_name", "format", "wait",
)  # fmt: skip
CELL_PREFIX = "cell_"
BREAKDOWNS = (
    ("", gettext_lazy("不细分")),
    ("channel", gettext_lazy("渠道")),
    ("team", gettext_lazy("团队")),
    ("agent", gettext_lazy("员工")),
    ("stage", gettext_lazy("当前阶段")),
    ("week", gettext_lazy("入口周")),
)


@dataclass(frozen=True)
class StepRow:
    """One line of the step list: the chosen event and its conditions."""

    number: int
    event: str
    tests: str
    is_unknown: bool


class FunnelForm(forms.Form):
    """A question over the query string; without parameters the standard journey of 90 days."""

    window = forms.CharField(
        label=gettext_lazy("转化窗口"),
        required=False,
        max_length=16,
        help_text=gettext_lazy("从入口算起，含端点：30d、12h、90m、10s"),
        widget=forms.TextInput(attrs={"list": "funnel-windows", "autocomplete": "off"}),
    )
    order = forms.ChoiceField(
        label=pgettext_lazy("funnel", "次序"),
        choices=[
            ("ordered", gettext_lazy("依次")),
            ("strict_increase", gettext_lazy("依次且时间递增")),
            ("any", gettext_lazy("任意次序")),
            ("strict", gettext_lazy("依次且中间没有别的事件")),
        ],
    )
    entry = forms.ChoiceField(
        label=gettext_lazy("入口"),
        choices=[("any", gettext_lazy("任意一次")), ("first", gettext_lazy("仅第一次"))],
    )
    breakdown = forms.ChoiceField(label=gettext_lazy("细分"), choices=BREAKDOWNS, required=False)

    def __init__(self, params: QueryDict, *, today: date, events: dict[str, str]) -> None:
        self._params = params
        self._values = self._asked() or default_values(today)
        super().__init__(
            {name: self._values.get(name) or "" for name in _SINGLE},
            auto_id="funnel_%s",
            use_required_attribute=False,
        )
        self.events = events
        for name, (label, hint) in _MORE.items():
            self.fields[name] = forms.CharField(
                label=label,
                required=False,
                max_length=200,
                widget=forms.TextInput(attrs={"placeholder": hint, "autocomplete": "off"}),
            )
        for name, (label, choices) in _CHOSEN.items():
            self.fields[name] = forms.ChoiceField(label=label, choices=choices, required=False)
        self.fields["from"] = _day(gettext_lazy("入口从"))
        self.fields["to"] = _day(gettext_lazy("入口到"))
        self.fields["as_of"] = forms.CharField(
            label=gettext_lazy("截至"),
            required=False,
            max_length=40,
            widget=forms.TextInput(attrs={"placeholder": "2026-11-01"}),
        )
        asked = str(self._values.get("breakdown") or "")
        if asked not in dict(BREAKDOWNS):
            self.fields["breakdown"].choices = [*BREAKDOWNS, (asked, breakdown_label(asked))]

    def question(self) -> Question | None:
        """The question, or None with the errors on the form."""
        if not self.is_valid():
            return None
        try:
            return question_from(self._values)
        except QuestionRefused as refusal:
            self.refuse(refusal)
            return None

    def refuse(self, refusal: QuestionRefused) -> None:
        """Put a refusal beside the field it names."""
        self.add_error(refusal.field if refusal.field in self.fields else None, str(refusal))

    def step_rows(self) -> list[StepRow]:
        """The chosen steps and two empty lines for more."""
        rows = []
        for step in self._values.get("steps") or []:
            event, _bracket, tests = step.partition("[")
            rows.append((event, tests.removesuffix("]")))
        rows = (rows + [("", "")] * 2)[:MAX_STEPS]
        return [
            StepRow(n, event, tests, is_unknown=bool(event) and event not in self.events)
            for n, (event, tests) in enumerate(rows, start=1)
        ]

    @property
    def event_choices(self) -> list[tuple[str, str]]:
        """Declared events as code and name."""
        return list(self.events.items())

    @property
    def has_more(self) -> bool:
        """Whether any of the rarer options is in use or wrong: then they stand open."""
        names = [*_MORE, *_CHOSEN]
        return any(self._values.get(name) or self.errors.get(name) for name in names)

    def more_fields(self) -> list[forms.BoundField]:
        """The rarer options."""
        return [self[name] for name in (*_MORE, *_CHOSEN)]

    def query(self) -> QueryDict:
        """The question as a query string, defaults written out: a link keeps its meaning."""
        query = QueryDict(mutable=True)
        query.setlist("steps", self._values.get("steps") or [])
        for name in _SINGLE:
            if value := self._values.get(name):
                query[name] = str(value)
        return query

    def _asked(self) -> dict[str, Any] | None:
        names = set(self._params) - set(FIGURE_FIELDS)
        if not {name for name in names if not name.startswith(CELL_PREFIX)}:
            return None
        values: dict[str, Any] = {name: self._params.get(name, "").strip() for name in _SINGLE}
        values["steps"] = _steps(self._params)
        if by := values.pop("by_property"):
            parts = (values["breakdown"], by if ":" in by else f"property:{by}")
            values["breakdown"] = ",".join(filter(None, parts))
        values["window"] = values["window"] or ("" if values["step_window"] else "30d")
        values["order"] = values["order"] or "ordered"
        values["entry"] = values["entry"] or "any"
        return values


# Rarer options in words, with an example.
_MORE = {
    "exclude": (gettext_lazy("其间不能有"), "complained, order_refunded@2-3"),
    "step_window": (gettext_lazy("步骤之间最长"), "2d / 1d,12h"),
    "min_gap": (gettext_lazy("步骤之间最短"), "1h / 1h,0s"),
    "hold": (gettext_lazy("各步相同的属性"), "city"),
    "by_property": (gettext_lazy("按属性细分"), "platform / platform@last"),
    "value": (gettext_lazy("合计"), "amount"),
    "unit": (gettext_lazy("统计单位"), "customer / property:session_id"),
}
_CHOSEN = {
    "count": (
        gettext_lazy("计数"),
        [("", gettext_lazy("每人一次")), ("totals", gettext_lazy("每一次尝试"))],
    ),
    "compare": (
        gettext_lazy("比较"),
        [("", gettext_lazy("不比较")), ("previous", gettext_lazy("上一期"))],
    ),
}
_SINGLE = (
    "window", "order", "entry", "from", "to", "as_of", "breakdown", *_MORE, *_CHOSEN,
)  # fmt: skip


def figure_from(params: QueryDict) -> Figure:
    """Which number was opened; raises QuestionRefused for one that cannot be."""
    step, state = params.get("step", ""), params.get("state", "reached")
    if not (step.isascii() and step.isdigit() and len(step) < 4) or state not in STATES:
        raise QuestionRefused(_("没有这个数字，请从漏斗页点开"), field="step")
    cell = tuple(
        (name.removeprefix(CELL_PREFIX), params[name])
        for name in sorted(params)
        if name.startswith(CELL_PREFIX)
    )
    return Figure(int(step), state, cell)


def _steps(params: QueryDict) -> list[str]:
    """Events with the conditions typed beside them; empty lines are dropped."""
    events, tests = params.getlist("steps"), params.getlist("tests")
    tests += [""] * (len(events) - len(tests))
    steps = []
    for event, test in zip(events, tests, strict=False):
        if not (event := event.strip()):
            continue
        # A hand-written link may hold all steps in one parameter, as the command does.
        if test.strip() or "," not in event:
            steps.append(f"{event}[{test.strip()}]" if test.strip() else event)
        else:
            steps += [part for part in split_steps(event) if part]
    return steps


def _day(label: Any) -> forms.DateField:
    return forms.DateField(
        label=label,
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )


def breakdown_label(asked: str) -> str:
    """A breakdown in words; what is no attribute of ours stands as it was typed."""
    names = dict(BREAKDOWNS)
    parts = []
    for part in filter(None, asked.split(",")):
        attribute, at, place = part.partition("@")
        name = names.get(attribute, attribute.removeprefix("property:"))
        parts.append(f"{name}{at}{place}")
    return " × ".join(parts)[:80]
