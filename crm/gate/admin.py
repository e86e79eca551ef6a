"""The gate's rules in the admin: dated rows, of which only those to come may change."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from crm.gate.models import ContentKind, SceneRule, TouchRule
from crm.gate.scene import CODE
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
    list_display = ["code", "version", "channel", "test", "valid_from", "is_off", "note"]
    list_filter = ["channel", "test", "code"]
    fields = [
        *("code", "channel", "test", "content_kinds", "limit", "window", "days", "percent"),
        *("signals", "stages", "most_percent", "valid_from", "is_off", "note", "version"),
    ]


class SceneRuleForm(RuleForm):
    """Days and a share."""

    class Meta:
        model = SceneRule
        exclude = ("code", "version")


@admin.register(SceneRule)
class SceneRuleAdmin(DatedRuleAdmin):
    """场景规则: there is one, so its code is given."""

    form = SceneRuleForm
    list_display = ["version", "days", "most_percent", "valid_from", "is_off"]
    list_filter = ["is_off"]
    fields = ["days", "most_percent", "valid_from", "is_off", "note", "version"]

    def save_model(self, request: HttpRequest, obj: SceneRule, form: Any, change: bool) -> None:
        obj.code = CODE
        super().save_model(request, obj, form, change)
