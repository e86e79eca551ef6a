"""What narrows the page of replies: days and departments."""

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from analytics.replies.question import RepliesQuestion
from crm.agents.models import Department
from crm.shared.filters import FilterForm, ManyChoices


def _day(label: Any) -> forms.DateField:
    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    return forms.DateField(label=label, required=False, widget=widget)


class RepliesFilterForm(FilterForm):
    """Chips over the query string; the question itself is read and checked elsewhere."""

    department = forms.MultipleChoiceField(label=_("部门"), required=False, widget=ManyChoices)
    agent = forms.MultipleChoiceField(label=_("员工"), required=False, widget=ManyChoices)
    groups = (
        (_("日期"), ("from", "to")),
        (_("部门"), ("department",)),
        (_("员工"), ("agent",)),
    )

    def __init__(self, data: QueryDict, *, agents: Any, question: RepliesQuestion | None) -> None:
        shown = data.copy()
        if question:  # The days that count also where the address does not name them.
            shown["from"], shown["to"] = question.first.isoformat(), question.last.isoformat()
        super().__init__(shown)
        self.fields["from"] = _day(pgettext_lazy("range", "从"))
        self.fields["to"] = _day(pgettext_lazy("range", "到"))
        departments = Department.objects.filter(agents__in=agents).distinct()
        self.fields["department"].choices = [(str(d.pk), d.name) for d in departments]
        self.fields["agent"].choices = [(str(a.pk), a.name) for a in agents]
