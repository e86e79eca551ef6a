"""Words that no text may say, and what product cards must tell to whom, in the admin."""

from typing import Any

from django import forms
from django.contrib import admin

from crm.agents.console import ConsoleAdmin
from crm.content.models import CardFact, FactRule, SensitiveWord
from crm.outbox.admin import DatedRuleAdmin, RuleForm


@admin.register(SensitiveWord)
class SensitiveWordAdmin(ConsoleAdmin):
    """敏感词."""

    list_display = ("word", "reason", "is_active")
    list_filter = ("is_active",)
    search_fields = ("word", "reason")


class FactRuleForm(RuleForm):
    """Facts as boxes to tick."""

    class Meta:
        model = FactRule
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if old := self.fields.get("facts"):
            self.fields["facts"] = forms.MultipleChoiceField(
                label=old.label,
                required=False,
                choices=CardFact.choices,
                widget=forms.CheckboxSelectMultiple,
            )


@admin.register(FactRule)
class FactRuleAdmin(DatedRuleAdmin):
    """产品信息必填规则."""

    form = FactRuleForm
    list_display = ["code", "name", "version", "tag", "age_from", "facts", "valid_from", "is_off"]
    list_select_related = ["tag__group"]
    fields = [
        *("code", "name", "tag", "age_from", "facts"),
        *("valid_from", "is_off", "note", "version"),
    ]
