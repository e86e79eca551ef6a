"""A material as a form; it collects, the action decides."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from crm.agents.access import Permission
from crm.agents.models import User
from crm.content.actions import MaterialContent
from crm.content.models import Material

Kind, Tier = Material.Kind, Material.Tier


class MaterialForm(forms.Form):
    """What it says, for whom, and how often."""

    kind = forms.ChoiceField(label=_("种类"), choices=Kind.choices)
    tier = forms.ChoiceField(
        label=_("级别"), choices=[c for c in Tier.choices if c[0] != Tier.GOLD]
    )
    title = forms.CharField(label=_("名称"), max_length=64, help_text=_("客户看不到"))
    topic = forms.CharField(
        label=pgettext_lazy("material", "主题"),
        required=False,
        max_length=32,
        help_text=_("例如：签证、亲子、早安"),
    )
    text = forms.CharField(
        label=_("文字"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 7}),
        help_text=_("变量写成 {{name|备用文字}}：name、agent、city、destination、field.代码"),
    )
    link_url = forms.CharField(label=_("链接地址"), required=False, max_length=2048)
    link_title = forms.CharField(label=_("链接标题"), required=False, max_length=128)
    expires_on = forms.DateField(
        label=_("有效期至"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    reuse_days = forms.IntegerField(
        label=_("同一客户间隔天数"),
        required=False,
        min_value=0,
        max_value=365,
        initial=0,
        help_text=_("这些天内收到过它的客户，群发时自动跳过"),
    )

    def __init__(self, *args: Any, user: User, material: Material | None, **kwargs: Any):
        if material:
            kwargs["initial"] = {name: getattr(material, name) for name in self.base_fields}
        elif not user.can(Permission.CONTENT_EDIT):
            kwargs["initial"] = {"kind": Kind.SCRIPT, "tier": Tier.PERSONAL}
        super().__init__(*args, **kwargs)
        if not user.can(Permission.CONTENT_EDIT):
            self.fields["tier"].choices = [(Tier.PERSONAL, Tier.PERSONAL.label)]
            self.fields["kind"].choices = [(Kind.SCRIPT, Kind.SCRIPT.label)]
        elif material and material.tier == Tier.GOLD:
            self.fields["tier"].choices = [(Tier.COMPANY, Tier.COMPANY.label)]
            self.initial["tier"] = Tier.COMPANY

    def content(self) -> MaterialContent:
        """What was written."""
        data = self.cleaned_data
        return MaterialContent(**data | {"reuse_days": data["reuse_days"] or 0})
