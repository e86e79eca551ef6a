"""Dated rules in the admin: a rule that has taken effect is history and is not rewritten."""

from datetime import timedelta
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.agents.actions import audit
from crm.agents.console import ConsoleAdmin, MirrorAdmin
from crm.outbox.models import DatedRule, OutboxItem, PlatformQuota, QuietHours, TouchDecision


class RuleForm(forms.ModelForm):
    """A new rule takes effect now or later, never in the past."""

    def clean_valid_from(self) -> Any:
        valid_from = self.cleaned_data["valid_from"]
        if valid_from < timezone.now() - timedelta(minutes=5):
            raise forms.ValidationError(_("生效时间不能早于现在：过去的裁决按当时的规则作出"))
        return valid_from

    def clean_zone(self) -> str:
        zone = self.cleaned_data["zone"]
        if zone not in available_timezones():
            raise forms.ValidationError(_("没有这个时区，例如 Asia/Shanghai"))
        return zone


class DatedRuleAdmin(ConsoleAdmin):
    """Rules to come may be changed or deleted; rules in force are replaced by a new row."""

    form = RuleForm
    readonly_fields = ["version"]
    list_filter = ["code"]

    def has_change_permission(self, request: HttpRequest, obj: DatedRule | None = None) -> bool:
        return super().has_change_permission(request, obj) and not _holds(obj)

    def has_delete_permission(self, request: HttpRequest, obj: DatedRule | None = None) -> bool:
        return self.has_view_permission(request, obj) and not _holds(obj)

    def save_model(self, request: HttpRequest, obj: DatedRule, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        audit(request.user, f"{obj._meta.model_name}.save", obj, code=obj.code, version=obj.version)


def _holds(rule: DatedRule | None) -> bool:
    return rule is not None and rule.valid_from <= timezone.now()


@admin.register(PlatformQuota)
class PlatformQuotaAdmin(DatedRuleAdmin):
    """平台额度."""

    list_display = ["code", "version", "limit", "window", "seconds", "valid_from", "is_off", "note"]
    fields = ["code", "limit", "window", "seconds", "valid_from", "is_off", "note", "version"]


@admin.register(QuietHours)
class QuietHoursAdmin(DatedRuleAdmin):
    """安静时段."""

    list_display = ["code", "version", "starts", "ends", "zone", "valid_from", "is_off", "note"]
    fields = ["code", "starts", "ends", "zone", "kinds", "valid_from", "is_off", "note", "version"]


@admin.register(TouchDecision)
class TouchDecisionAdmin(MirrorAdmin):
    """触达裁决, as they were made."""

    list_display = ["at", "item", "is_allowed", "rule", "rule_version", "retry_at"]
    list_filter = ["is_allowed", "rule"]
    list_select_related = ["item"]


@admin.register(OutboxItem)
class OutboxItemAdmin(MirrorAdmin):
    """发送项 for whoever runs the installation: states, not contents."""

    list_display = ["key", "kind", "state", "due_at", "attempts", "reason_code"]
    list_filter = ["kind", "state"]
    fields = [*list_display, "title", "reason", "fence", "lease_until", "called_at", "remote_id"]
