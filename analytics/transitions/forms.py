"""The transition form: it collects words from the query string, the question decides."""

from datetime import date, timedelta

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from analytics.funnels.question import QuestionRefused
from analytics.transitions.question import (
    DEFAULT_EVENT,
    FIELDS,
    TransitionQuestion,
    transition_from,
)

DAYS_BACK = 30


class TransitionForm(forms.Form):
    """A question over the query string; without parameters: the last thirty days, by loyalty."""

    by = forms.ChoiceField(
        label=_("阶段"), choices=[("loyalty", _("忠诚度")), ("life", _("生命周期"))]
    )
    event = forms.CharField(
        label=_("算作成交的事件"),
        max_length=200,
        widget=forms.TextInput(attrs={"list": "transition-events", "autocomplete": "off"}),
    )

    def __init__(self, params: QueryDict, *, today: date, events: dict[str, str]) -> None:
        asked = {name: params[name].strip() for name in FIELDS if params.get(name, "").strip()}
        self._values = defaults(today) | asked
        super().__init__(self._values, auto_id="transition_%s", use_required_attribute=False)
        self.events = events
        for name, label in (("from", _("从这天结束时")), ("to", _("到这天结束时"))):
            self.fields[name] = forms.DateField(
                label=label, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
            )
        self.order_fields(["from", "to", "by", "event"])

    def question(self) -> TransitionQuestion | None:
        """The question, or None with the errors on the form."""
        if not self.is_valid():
            return None
        try:
            return transition_from(self._values)
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
        query.update({name: self._values[name] for name in FIELDS})
        return query


def defaults(today: date) -> dict[str, str]:
    """From thirty days ago to yesterday."""
    return {
        "from": (today - timedelta(days=DAYS_BACK + 1)).isoformat(),
        "to": (today - timedelta(days=1)).isoformat(),
        "by": "loyalty",
        "event": DEFAULT_EVENT,
    }
