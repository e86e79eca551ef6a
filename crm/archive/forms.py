"""What a reviewer wants to read, of whom, and why."""

from datetime import date, timedelta
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from crm.agents.models import Agent
from crm.archive.reading import SHORTEST_REASON
from crm.customers.models import Customer
from crm.customers.queries import CustomerFilter, find_customers
from crm.groups.models import Group

DAYS_BACK = 6
_NAMED = 3


def _day(label: Any) -> forms.DateField:
    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    return forms.DateField(label=label, widget=widget)


class ReadingForm(forms.Form):
    """Who, when, which words, and the reason; names are looked up within the reader's scope."""

    reason = forms.CharField(
        label=gettext_lazy("查阅原因"),
        min_length=SHORTEST_REASON,
        max_length=200,
        help_text=gettext_lazy("会写入审计记录，每一页都记"),
    )
    customer = forms.CharField(
        label=gettext_lazy("客户"),
        required=False,
        max_length=64,
        help_text=gettext_lazy("客户编号、企业微信编号，或唯一的姓名"),
    )
    agent = forms.ModelChoiceField(label=gettext_lazy("员工"), queryset=None, required=False)
    group = forms.CharField(
        label=gettext_lazy("客户群"),
        required=False,
        max_length=128,
        help_text=gettext_lazy("群编号，或唯一的群名"),
    )
    words = forms.CharField(label=gettext_lazy("包含文字"), required=False, max_length=64)
    first = _day(pgettext_lazy("range", "从"))
    last = _day(pgettext_lazy("range", "到"))

    def __init__(self, data: QueryDict | None, *, user: Any, today: date, **initial: Any) -> None:
        days = {"first": today - timedelta(days=DAYS_BACK), "last": today}
        super().__init__(data, initial=days | initial, use_required_attribute=False)
        self._user = user
        self.fields["agent"].queryset = Agent.objects.for_user(user)

    def clean_customer(self) -> Customer | None:
        """The one customer who is meant."""
        text = self.cleaned_data["customer"].strip()
        if not text:
            return None
        seen = Customer.objects.for_user(self._user)
        exact = seen.filter(external_userid=text) | seen.filter(customer_no=text)
        if found := exact.first():
            return found
        named = find_customers(self._user, CustomerFilter(q=text)).order_by("pk")
        return _only_one(
            list(named[: _NAMED + 1]),
            none=_("没有这位客户"),
            many=_("有多位客户符合，请填客户编号，如 %(some)s"),
            name=lambda one: one.customer_no or one.external_userid or str(one.pk),
        )

    def clean_group(self) -> Group | None:
        """The one group that is meant."""
        text = self.cleaned_data["group"].strip()
        if not text:
            return None
        seen = Group.objects.for_user(self._user)
        if found := seen.filter(chat_id=text).first():
            return found
        return _only_one(
            list(seen.filter(name__icontains=text).order_by("pk")[: _NAMED + 1]),
            none=_("没有这个客户群"),
            many=_("有多个客户群符合，请填群编号，如 %(some)s"),
            name=lambda one: one.chat_id,
        )


def _only_one(found: list, *, none: str, many: str, name: Any) -> Any:
    if not found:
        raise forms.ValidationError(none)
    if len(found) > 1:
        some = "、".join(name(one) for one in found[:_NAMED])
        raise forms.ValidationError(many % {"some": some})
    return found[0]
