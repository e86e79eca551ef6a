"""Versions of the model in the admin: read, and withdrawn where somebody knows better."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from crm.agents.actions import audit
from crm.agents.console import ConsoleAdmin
from crm.risk.models import RiskModel


@admin.register(RiskModel)
class RiskModelAdmin(ConsoleAdmin):
    """删除风险模型: only whether it is withdrawn may change."""

    list_display = ["version", "fitted_at", "verdict", "base_rate", "is_withdrawn"]
    list_filter = ["verdict", "is_withdrawn"]
    fields = [*list_display, "intercept", "weights", "sample", "validation"]
    readonly_fields = [name for name in fields if name != "is_withdrawn"]

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: RiskModel, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        audit(request.user, "risk.withdraw", obj, now=timezone.now(), is_withdrawn=obj.is_withdrawn)
