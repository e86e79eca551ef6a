"""The cuts in the admin: dated rows, of which only those to come may change."""

from django.contrib import admin

from analytics.rfm.models import CODE, RfmRule
from crm.outbox.admin import DatedRuleAdmin, RuleForm


class RfmRuleForm(RuleForm):
    """There is one rule: its code is given."""

    class Meta:
        model = RfmRule
        exclude = ("code", "version")


@admin.register(RfmRule)
class RfmRuleAdmin(DatedRuleAdmin):
    """价值分层规则."""

    form = RfmRuleForm
    list_display = [
        *("version", "recency_days", "order_days", "money_cents"),
        *("valid_from", "is_off"),
    ]
    list_filter = ["is_off"]
    fields = [
        "recency_days",
        "order_days",
        "money_cents",
        "valid_from",
        "is_off",
        "note",
        "version",
    ]

    def save_model(self, request, obj, form, change) -> None:
        obj.code = CODE
        super().save_model(request, obj, form, change)
