"""Noting a request."""

from django import forms
from django.utils.translation import gettext_lazy as _

from crm.subjects.models import SubjectRequest


class RequestForm(forms.Form):
    """What is asked, and how it is known that the person themselves asks; the action decides."""

    kind = forms.ChoiceField(label=_("请求"), choices=SubjectRequest.Kind.choices)
    asked_how = forms.CharField(
        label=_("如何提出、怎样核实本人"),
        max_length=255,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("例如：本人微信提出，已核对手机号"),
    )
