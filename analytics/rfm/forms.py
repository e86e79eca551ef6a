"""The form of the grid: it collects words from the query string, the question decides."""

from datetime import date, datetime

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy, ngettext

from analytics.rfm.layers import WINDOWS, RfmQuestion, RfmRefused, rule_at
from crm.shared.times import local_day

FIELDS = ("on", "days", "cut")


class RfmForm(forms.Form):
    """Without parameters: today, a year, by the company's own rule where there is one."""

    on = forms.DateField(
        label=gettext_lazy("截至"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    days = forms.TypedChoiceField(
        label=gettext_lazy("窗口"),
        coerce=int,
        choices=[(days, str(days)) for days in WINDOWS],
    )
    cut = forms.ChoiceField(
        label=gettext_lazy("划分"),
        choices=[("mean", gettext_lazy("按均值")), ("rule", gettext_lazy("按公司的规则"))],
    )

    def __init__(self, params: QueryDict, *, now: datetime) -> None:
        self._now, today = now, local_day(now)
        asked = {name: params[name].strip() for name in FIELDS if params.get(name, "").strip()}
        cut = "rule" if rule_at(today) else "mean"
        self._values = {"on": today.isoformat(), "days": "365", "cut": cut} | asked
        super().__init__(self._values, auto_id="rfm_%s", use_required_attribute=False)
        self.fields["days"].choices = [
            (days, ngettext("%(n)s 天", "%(n)s 天", days) % {"n": days}) for days in WINDOWS
        ]

    def question(self) -> RfmQuestion | None:
        """The question, or None with the errors on the form."""
        if not self.is_valid():
            return None
        on: date = self.cleaned_data["on"]
        question = RfmQuestion(on, self.cleaned_data["days"], self.cleaned_data["cut"])
        try:
            question.check(self._now)
        except RfmRefused as refusal:
            self.add_error(refusal.field, str(refusal))
            return None
        return question

    def query(self) -> QueryDict:
        """The question as a query string, defaults written out: a link keeps its meaning."""
        query = QueryDict(mutable=True)
        query.update({name: self._values[name] for name in FIELDS})
        return query
