"""Tiers and benefits in the admin."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from crm.agents.access import Permission
from crm.agents.actions import audit
from crm.agents.console import ConsoleAdmin
from crm.members.models import MemberBenefit, MemberTier


class BenefitInline(admin.TabularInline):
    """Benefits stay where they were used."""

    model = MemberBenefit
    extra = 1
    can_delete = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.can(Permission.CONFIGURE)

    has_add_permission = has_change_permission = has_view_permission


@admin.register(MemberTier)
class MemberTierAdmin(ConsoleAdmin):
    """会员等级."""

    list_display = ("name", "code", "rank", "falls_to", "is_active")
    inlines = (BenefitInline,)

    def get_readonly_fields(self, request: HttpRequest, obj: MemberTier | None = None):
        return ("code",) if obj else ()

    def save_model(self, request: HttpRequest, obj: MemberTier, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        audit(request.user, "member.tier", obj, now=timezone.now(), fields=form.changed_data)
