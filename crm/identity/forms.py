"""Why somebody decides as they do."""

from django import forms
from django.utils.translation import gettext_lazy as _


class ReasonForm(forms.Form):
    """The reason stands in the audit record."""

    reason = forms.CharField(
        label=_("依据"),
        max_length=255,
        min_length=2,
        help_text=_("例如：打电话核对过，是同一人；会写入审计记录"),
    )
