"""The filter bar of the list of groups."""

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from crm.agents.access import Role
from crm.agents.models import Agent
from crm.groups.queries import GroupFilter
from crm.shared.filters import FilterForm, ManyChoices


def _day(label) -> forms.DateField:
    return forms.DateField(
        label=label,
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )


class GroupFilterForm(FilterForm):
    """Conditions of the group list. Dismissed groups show only when asked for."""

    q = forms.CharField(label=_("搜索"), required=False, max_length=64)
    owner = forms.MultipleChoiceField(
        label=_("群主"),
        required=False,
        widget=ManyChoices,
    )
    state = forms.ChoiceField(
        label=_("状态"),
        required=False,
        choices=[("", _("使用中")), ("dismissed", _("已解散")), ("all", _("全部"))],
    )
    opened_from = _day(_("建群不早于"))
    opened_to = _day(_("建群不晚于"))

    groups = (
        (_("群主"), ("owner",)),
        (_("状态"), ("state",)),
        (_("建群时间"), ("opened_from", "opened_to")),
    )

    def __init__(self, data: QueryDict, *, user: Any) -> None:
        super().__init__(data)
        self.fields["owner"].choices = [
            (str(agent.pk), agent.name) for agent in Agent.objects.for_user(user)
        ]
        if user.role == Role.AGENT:
            del self.fields["owner"]

    def filter(self) -> GroupFilter:
        """What the query string asks for, without what it got wrong."""
        self.is_valid()
        got = self.cleaned_data.get
        state = got("state") or "open"
        return GroupFilter(
            q=got("q") or "",
            owners=tuple(int(pk) for pk in got("owner") or ()),
            state="" if state == "all" else state,
            opened_from=got("opened_from"),
            opened_to=got("opened_to"),
        )
