"""The form of 偏好: how the product works for one person."""

from django import forms
from django.utils.translation import gettext_lazy as _

from crm.agents.models import User


class PreferencesForm(forms.ModelForm):
    class Meta:
        model = User
        fields = ["language", "theme", "red_means_rise", "single_keys"]
        widgets = {"language": forms.RadioSelect, "theme": forms.RadioSelect}
        labels = {
            "language": _("语言"),
            "theme": _("主题"),
            "red_means_rise": _("红涨绿跌"),
            "single_keys": _("启用单键快捷键"),
        }
        help_texts = {
            "red_means_rise": _("只改变涨跌箭头的颜色；好坏仍写明，错误仍为红色。"),
            "single_keys": _("如 / 搜索、j 和 k 换行、g 加字母跳转。按 ? 查看全部。"),
        }
