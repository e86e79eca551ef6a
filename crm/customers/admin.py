"""Channels and corporate tags in Django admin."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from crm.agents.actions import audit
from crm.agents.console import ConsoleAdmin, MirrorAdmin
from crm.customers.models import Channel, Tag, TagGroup


@admin.register(Channel)
class ChannelAdmin(ConsoleAdmin):
    """Channels come into being with their first friend; here they get their names."""

    list_display = ("code", "name", "moment", "is_active")
    list_editable = ("name", "is_active")
    list_filter = ("is_active",)
    search_fields = ("code", "name")
    fields = ("code", "name", "moment", "is_active")

    def get_readonly_fields(self, request: HttpRequest, obj: Channel | None = None):
        return ("code",) if obj else ()

    def save_model(self, request: HttpRequest, obj: Channel, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        action = "channel.change" if change else "channel.add"
        audit(request.user, action, obj, fields=sorted(form.changed_data))


@admin.register(TagGroup)
class TagGroupAdmin(MirrorAdmin):
    list_display = ("name", "order", "is_deleted")
    list_filter = ("is_deleted",)
    search_fields = ("name",)
    fields = ("name", "wecom_id", "order", "is_deleted")


@admin.register(Tag)
class TagAdmin(MirrorAdmin):
    list_display = ("name", "group", "order", "is_deleted")
    list_filter = ("group", "is_deleted")
    list_select_related = ("group",)
    search_fields = ("name",)
    fields = ("name", "group", "wecom_id", "order", "is_deleted")
