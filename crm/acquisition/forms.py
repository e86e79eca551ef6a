"""A welcome rule as a form."""

from typing import Any

from django import forms
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from crm.acquisition.actions import WelcomeRule
from crm.acquisition.models import Welcome
from crm.agents.models import Agent, Department, User
from crm.customers.models import Channel
from crm.faces.models import Face


class WelcomeForm(forms.Form):
    """Words, and for whom."""

    name = forms.CharField(label=_("名称"), max_length=64, help_text=_("客户看不到"))
    text = forms.CharField(
        label=_("内容"),
        strip=False,
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text=_("可写 {客户|朋友} 和 {员工|顾问}，竖线后是还不知道名字时的称呼"),
    )
    is_default = forms.BooleanField(
        label=_("默认欢迎语：没有其他规则适用时使用，只有一条"), required=False
    )
    face = forms.ModelChoiceField(
        Face.objects.none(),
        label=_("人设客服"),
        required=False,
        empty_label=_("不属于某个人设"),
        help_text=_("选了人设，就只欢迎它的客户，并先于其他规则"),
    )
    channel = forms.ModelChoiceField(
        Channel.objects.none(),
        label=_("来源渠道"),
        required=False,
        empty_label=_("不限"),
    )
    departments = forms.ModelMultipleChoiceField(
        Department.objects.none(),
        label=_("部门"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("部门和员工都不选，就适用于所有员工"),
    )
    agents = forms.ModelMultipleChoiceField(
        None, label=_("员工"), required=False, widget=forms.CheckboxSelectMultiple
    )
    priority = forms.IntegerField(
        label=_("优先级"),
        min_value=-100,
        max_value=100,
        initial=0,
        help_text=_("数字大的先用"),
    )
    is_active = forms.BooleanField(label=_("启用"), required=False, initial=True)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = self.initial.get("face")
        self.fields["face"].queryset = Face.objects.filter(
            Q(is_archived=False) | Q(pk=own.pk if isinstance(own, Face) else None)
        )
        self.fields["channel"].queryset = Channel.objects.filter(is_active=True)
        self.fields["departments"].queryset = Department.objects.filter(is_active=True)
        self.fields["agents"].queryset = Agent.objects.for_user(user).active()

    @staticmethod
    def initial_of(welcome: Welcome) -> dict[str, Any]:
        """What the form shows of a rule."""
        plain = ("name", "text", "face", "channel", "priority", "is_default", "is_active")
        values = {name: getattr(welcome, name) for name in plain}
        return values | {"agents": welcome.agents.all(), "departments": welcome.departments.all()}

    def rule(self) -> WelcomeRule:
        """What was written."""
        many = ("agents", "departments")
        given = {name: tuple(self.cleaned_data[name]) for name in many}
        return WelcomeRule(**self.cleaned_data | given)
