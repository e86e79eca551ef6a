"""What people write on a review."""

from decimal import Decimal

from django import forms
from django.utils.translation import gettext_lazy

from crm.reviews import actions as reviewing

_MOST_YUAN = 10**9


class CostForm(forms.Form):
    """One line of costs: an amount, or hours at a rate."""

    label = forms.CharField(
        label=gettext_lazy("项目"), max_length=reviewing.LABEL_CHARS,
        help_text=gettext_lazy("例如：优惠券、文案、短信"),
    )  # fmt: skip
    amount = forms.DecimalField(
        label=gettext_lazy("金额（元）"), required=False, min_value=0, max_value=_MOST_YUAN,
        decimal_places=2,
    )  # fmt: skip
    hours = forms.DecimalField(
        label=gettext_lazy("工时（小时）"), required=False, min_value=0, max_value=10_000,
        decimal_places=2, help_text=gettext_lazy("人力按工时记；金额和工时只填一种"),
    )  # fmt: skip
    hourly = forms.DecimalField(
        label=gettext_lazy("每小时（元）"), required=False, min_value=0, max_value=100_000,
        decimal_places=2,
    )  # fmt: skip
    source = forms.CharField(
        label=gettext_lazy("来源"), max_length=reviewing.SOURCE_CHARS,
        help_text=gettext_lazy("发票号、报表，或谁报的"),
    )  # fmt: skip

    def line(self) -> reviewing.CostLine:
        """What was written."""
        got = self.cleaned_data
        return reviewing.CostLine(
            label=got["label"],
            source=got["source"],
            amount_cents=_cents(got["amount"]),
            minutes=None if got["hours"] is None else round(got["hours"] * 60),
            hourly_cents=_cents(got["hourly"]),
        )


class LessonForm(forms.Form):
    """What was learned."""

    text = forms.CharField(
        label=gettext_lazy("下次要知道的"), max_length=reviewing.LESSON_CHARS,
        widget=forms.Textarea(attrs={"rows": 3}),
    )  # fmt: skip


def _cents(yuan: Decimal | None) -> int | None:
    return None if yuan is None else round(yuan * 100)
