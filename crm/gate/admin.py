"""The gate's rules in the admin: dated rows, of which only those to come may change."""

from typing import Any

from django import forms
from django.contrib import admin

from crm.gate.models import ContentKind, SceneRule, TouchRule
from crm.outbox.admin import DatedRuleAdmin, RuleForm


class TouchRuleForm(RuleForm):
    """Choices as boxes to tick."""

    class Meta:
        model = TouchRule
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = {
            "content_kinds": ContentKind.choices,
            "signals": TouchRule._meta.get_field("signals").base_field.choices,
            "stages": TouchRule._meta.get_field("stages").base_field.choices,
        }
        for name, values in choices.items():
            if name in self.fields:
                old = self.fields[name]
                self.fields[name] = forms.MultipleChoiceField(
                    label=old.label,
                    help_text=old.help_text,
                    required=False,
                    choices=values,
                    widget=forms.CheckboxSelectMultiple,
                )


@admin.register(TouchRule)
class TouchRuleAdmin(DatedRuleAdmin):
    """触达规则."""

    form = TouchRuleForm
    list_display = ["code", "version", "test", "content_kinds", "valid_from", "is_off", "note"]
    list_filter = ["test", "code"]
    fields = [
        *("code", "test", "content_kinds", "limit", "window", "days", "signals", "stages"),
        *("valid_from", "is_off", "note", "version"),
    ]


@admin.register(SceneRule)
class SceneRuleAdmin(DatedRuleAdmin):
    """场景规则: its code is ``scene``."""
