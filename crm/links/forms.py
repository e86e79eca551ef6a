"""Making a link."""

from django import forms
from django.utils.translation import gettext_lazy as _


class LinkForm(forms.Form):
    """Where it leads and what it is called; the action decides."""

    title = forms.CharField(label=_("名称"), max_length=128, help_text=_("客户看不到"))
    target = forms.CharField(
        label=_("目标地址"),
        max_length=2048,
        widget=forms.TextInput(attrs={"inputmode": "url", "placeholder": "https://"}),
    )
