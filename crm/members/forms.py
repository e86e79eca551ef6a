"""A card as a form."""

from django import forms
from django.utils.translation import gettext_lazy as _

from crm.members.models import MemberTier


def _day(label, *, required: bool = True) -> forms.DateField:
    return forms.DateField(
        label=label,
        required=required,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )


class CardForm(forms.Form):
    """Which tier from when to when."""

    tier = forms.ModelChoiceField(None, label=_("等级"), empty_label=_("请选择"))
    begins_on = _day(_("开始日期"))
    ends_on = forms.DateField(
        label=_("结束日期"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=_("当天仍有效；不填就是长期"),
    )

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["tier"].queryset = MemberTier.objects.filter(is_active=True)


class EndForm(forms.Form):
    """The last day of a card."""

    ends_on = _day(_("结束日期"))
