"""What a person says about an unclear item."""

from django import forms
from django.utils.translation import gettext_lazy as _


class ResolveForm(forms.Form):
    """Adopting needs WeCom's number; both want a reason for the record."""

    remote_id = forms.CharField(label=_("企业微信编号"), max_length=128, required=False)
    reason = forms.CharField(
        label=_("依据"),
        max_length=255,
        help_text=_("例如：在企业微信后台看到了这条朋友圈"),
    )
