"""The retention form: it collects words from the query string, the question decides."""

from datetime import date, timedelta
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from analytics.funnels.question import QuestionRefused
from analytics.retention.parsing import FIELDS, retention_from
from analytics.retention.question import RetentionQuestion

WEEKS_SHOWN = 26


class RetentionForm(forms.Form):
    """A question over the query string; without parameters: do buyers buy again, by week?"""

    birth = forms.CharField(label=_("起点事件"), max_length=200)
    period = forms.ChoiceField(
        label=_("周期"), choices=[("day", _("日")), ("week", _("周")), ("month", _("月"))]
    )
    kind = forms.ChoiceField(
        label=pgettext_lazy("retention", "算法"),
        choices=[
            ("on", _("当期回来")),
            ("on_or_after", _("当期或以后回来")),
            ("bracket", _("按天数区间")),
        ],
    )
    mode = forms.ChoiceField(
        label=_("周期起点"),
        choices=[("rolling", _("从起点当天滚动")), ("calendar", _("自然周期"))],
    )
    brackets = forms.CharField(
        label=_("天数区间"),
        required=False,
        max_length=120,
        help_text=_("各区间的最后一天，如 1,3,7,14,30"),
    )
    as_of = forms.CharField(label=_("截至"), required=False, max_length=40)

    def __init__(self, params: QueryDict, *, today: date, events: dict[str, str]) -> None:
        asked = {name: params[name].strip() for name in FIELDS if name in params}
        self._values = {name: value for name, value in asked.items() if value} or defaults(today)
        if asked:
            self._values = {"birth": "", "return": ""} | self._values
        super().__init__(
            {"period": "week", "kind": "on", "mode": "rolling"} | self._values,
            auto_id="retention_%s",
            use_required_attribute=False,
        )
        self.events = events
        self.fields["return"] = forms.CharField(label=_("回来的事件"), max_length=200)
        for name, label in (("from", _("起点从")), ("to", _("起点到"))):
            self.fields[name] = forms.DateField(
                label=label,
                required=False,
                widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
            )
        for name in ("birth", "return"):
            self.fields[name].widget = forms.TextInput(
                attrs={"list": "retention-events", "autocomplete": "off"}
            )
        self.order_fields(
            ["birth", "return", "period", "kind", "mode", "brackets", "from", "to", "as_of"]
        )

    def question(self) -> RetentionQuestion | None:
        """The question, or None with the errors on the form."""
        if not self.is_valid():
            return None
        try:
            return retention_from(self._values)
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
        for name in FIELDS:
            if value := self._values.get(name):
                query[name] = str(value)
        return query


def defaults(today: date) -> dict[str, Any]:
    """Buyers of the last half year, by week."""
    first = today - timedelta(days=today.weekday() + 7 * WEEKS_SHOWN)
    return {
        "birth": "order_paid",
        "return": "order_paid",
        "period": "week",
        "kind": "on",
        "mode": "rolling",
        "from": first.isoformat(),
    }
