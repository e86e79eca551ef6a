"""The path form: it collects words from the query string, the question decides."""

from datetime import date, timedelta

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from analytics.funnels.question import QuestionRefused
from analytics.paths.question import FIELDS, PathQuestion, path_from

DAYS_BACK = 90


class PathForm(forms.Form):
    """A question over the query string; without parameters: what follows on becoming a friend."""

    event = forms.CharField(
        label=_("以哪个事件为中心"),
        max_length=200,
        widget=forms.TextInput(attrs={"list": "path-events", "autocomplete": "off"}),
    )
    direction = forms.ChoiceField(
        label=_("方向"), choices=[("after", _("之后去了哪里")), ("before", _("之前从哪里来"))]
    )
    window = forms.CharField(label=_("时间范围"), max_length=20, help_text=_("如 7d、12h、90m"))
    depth = forms.CharField(label=_("看几步"), max_length=4)
    top = forms.CharField(label=_("每步列出几种"), max_length=4)
    ignore = forms.CharField(
        label=_("略过的事件"), required=False, max_length=500, help_text=_("事件代码，用逗号隔开")
    )
    repeats = forms.BooleanField(label=_("同一事件连续发生时逐次列出"), required=False)
    as_of = forms.CharField(label=_("截至"), required=False, max_length=40)

    def __init__(self, params: QueryDict, *, today: date, events: dict[str, str]) -> None:
        asked = {name: params[name].strip() for name in FIELDS if params.get(name, "").strip()}
        self._values = {"direction": "after", "window": "7d", "depth": "3", "top": "6"}
        is_asked = any(name in params for name in FIELDS)
        self._values |= asked if is_asked else defaults(today)
        super().__init__(
            {"event": ""} | self._values, auto_id="path_%s", use_required_attribute=False
        )
        self.events = events
        for name, label in (("from", _("发生于从")), ("to", _("发生于到"))):
            self.fields[name] = forms.DateField(
                label=label,
                required=False,
                widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
            )
        self.order_fields(
            ["event", "direction", "window", "depth", "top", "from", "to", "ignore", "as_of",
             "repeats"]
        )  # fmt: skip

    def question(self) -> PathQuestion | None:
        """The question, or None with the errors on the form."""
        if not self.is_valid():
            return None
        try:
            return path_from(self._values)
        except QuestionRefused as refusal:
            self.refuse(refusal)
            return None

    def refuse(self, refusal: QuestionRefused) -> None:
        """Put a refusal beside the field it names."""
        self.add_error(refusal.field if refusal.field in self.fields else None, str(refusal))

    @property
    def event_choices(self) -> list[tuple[str, str]]:
        """Declared events as code and name."""
        return list(self.events.items())

    def query(self) -> QueryDict:
        """The question as a query string, defaults written out: a link keeps its meaning."""
        query = QueryDict(mutable=True)
        query.update({name: self._values[name] for name in FIELDS if self._values.get(name)})
        return query


def defaults(today: date) -> dict[str, str]:
    """New friends of the last ninety days."""
    return {
        "event": "friend_added",
        "from": (today - timedelta(days=DAYS_BACK)).isoformat(),
        "to": (today - timedelta(days=1)).isoformat(),
    }
