"""Bases of everything in Django admin: who may, and what nobody may change there."""

from typing import Any

from django.contrib.admin import ModelAdmin
from django.db.models import Model
from django.http import HttpRequest

from crm.agents.access import Permission


class ConsoleAdmin(ModelAdmin):
    """Opened by the right to configure, not by Django's per-model permissions.

    Rows of configuration are switched off or superseded, not deleted: history names them.
    """

    show_full_result_count = False

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.can(Permission.CONFIGURE)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.can(Permission.CONFIGURE)

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return request.user.can(Permission.CONFIGURE)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.can(Permission.CONFIGURE)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class MirrorAdmin(ConsoleAdmin):
    """What somebody else keeps (WeCom, the system itself): shown, never changed here."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
