"""Variants as a form; one block of text is one variant."""

import re

from django import forms
from django.utils.translation import gettext_lazy as _

from crm.trials.models import MOST_CONTROL
from crm.trials.variants import FEWEST_PEOPLE, MOST_VARIANTS, TrialPlan

_MOST_PEOPLE = 10_000_000


class VariantsForm(forms.Form):
    """What is fixed before the first person."""

    variants = forms.CharField(
        label=_("要比较的版本"),
        strip=False,
        max_length=4000 * MOST_VARIANTS,
        widget=forms.Textarea(attrs={"rows": 8}),
        help_text=_("最多 4 个，版本之间用单独一行 --- 隔开"),
    )
    control_percent = forms.IntegerField(
        label=_("对照组比例（%）"), min_value=1, max_value=MOST_CONTROL, initial=20
    )
    planned_people = forms.IntegerField(
        label=_("计划人数"),
        min_value=FEWEST_PEOPLE,
        max_value=_MOST_PEOPLE,
        initial=1000,
        help_text=_("满这么多人才下最后的结论；中间按人数等分查看 5 次"),
    )


def plan_of(form: VariantsForm, *, title: str, control_text: str) -> TrialPlan:
    """What was filled in, for the action."""
    blocks = re.split(r"(?m)^[ \t]*---[ \t]*$", form.cleaned_data["variants"].replace("\r\n", "\n"))
    return TrialPlan(
        title=title,
        control_text=control_text,
        variants=tuple(blocks),
        control_percent=form.cleaned_data["control_percent"],
        planned_people=form.cleaned_data["planned_people"],
    )
