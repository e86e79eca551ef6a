"""The form of the standing journey: it collects words, the question decides."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from analytics.standing.journey import JourneyQuestion, JourneyRefused

FIELDS = ("by", "from", "to")
DAYS_BACK = 90


class JourneyForm(forms.Form):
    """Without parameters: the last ninety whole days by channel."""

    by = forms.ChoiceField(
        label=gettext_lazy("细分"),
        choices=[
            ("channel", gettext_lazy("渠道")),
            ("week", gettext_lazy("入口周")),
            ("agent", gettext_lazy("员工")),
        ],
    )

    def __init__(self, params: QueryDict, *, today: date) -> None:
        asked = {name: params[name].strip() for name in FIELDS if params.get(name, "").strip()}
        self._values = defaults(today) | asked
        super().__init__(self._values, auto_id="journey_%s", use_required_attribute=False)
        for name, label in (("from", gettext_lazy("从")), ("to", gettext_lazy("到"))):
            self.fields[name] = forms.DateField(
                label=label, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
            )

    def question(self) -> JourneyQuestion | None:
        """The question, or None with the errors on the form."""
        if not self.is_valid():
            return None
        try:
            return journey_from(self._values)
        except JourneyRefused as refusal:
            self.add_error(refusal.field if refusal.field in self.fields else None, str(refusal))
            return None

    def query(self) -> QueryDict:
        """The question as a query string, defaults written out: a link keeps its meaning."""
        query = QueryDict(mutable=True)
        query.update({name: self._values[name] for name in FIELDS})
        return query


def defaults(today: date) -> dict[str, str]:
    """Ninety days that end yesterday, by channel."""
    return {
        "by": "channel",
        "from": (today - timedelta(days=DAYS_BACK)).isoformat(),
        "to": (today - timedelta(days=1)).isoformat(),
    }


def journey_from(values: Mapping[str, Any]) -> JourneyQuestion:
    """A question out of words; raises JourneyRefused with the field and the remedy."""
    days = {}
    for name in ("from", "to"):
        try:
            days[name] = date.fromisoformat(str(values[name]))
        except (KeyError, ValueError):
            raise JourneyRefused(_("请写成 2026-11-01 这样的日期"), field=name) from None
    return JourneyQuestion(days["from"], days["to"], str(values.get("by") or "channel"))
