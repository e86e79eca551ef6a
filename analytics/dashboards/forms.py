"""What narrows the table of agents."""

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from crm.agents.models import Department
from crm.shared.filters import FilterForm, ManyChoices


class AgentFilterForm(FilterForm):
    """Departments among those whose agents the user may see."""

    department = forms.MultipleChoiceField(
        label=_("部门"),
        required=False,
        widget=ManyChoices,
    )
    groups = ((_("部门"), ("department",)),)

    def __init__(self, data: QueryDict, *, agents: Any) -> None:
        super().__init__(data)
        departments = Department.objects.filter(agents__in=agents).distinct()
        self.fields["department"].choices = [(str(d.pk), d.name) for d in departments]

    def departments(self) -> list[int]:
        """Chosen departments; none means all."""
        return [int(pk) for pk in self.value("department") or ()]
