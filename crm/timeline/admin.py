"""Kinds of facts in Django admin: the company's own can be named, the built-in ones only read."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from crm.agents.actions import audit
from crm.agents.console import ConsoleAdmin
from crm.timeline.actions import declare_kind
from crm.timeline.models import FactKind


@admin.register(FactKind)
class FactKindAdmin(ConsoleAdmin):
    list_display = ("code", "label_zh", "label_en", "meaning", "emitter", "is_builtin")
    list_filter = ("is_builtin", "emitter")
    search_fields = ("code", "label_zh", "label_en")
    fields = ("code", "label_zh", "label_en", "meaning", "emitter", "is_builtin")

    def has_change_permission(self, request: HttpRequest, obj: FactKind | None = None) -> bool:
        return super().has_change_permission(request, obj) and not (obj and obj.is_builtin)

    def get_readonly_fields(self, request: HttpRequest, obj: FactKind | None = None):
        # Facts and files name a kind by its code: once declared it stays.
        return ("is_builtin", "emitter", "code") if obj else ("is_builtin", "emitter")

    def save_model(self, request: HttpRequest, obj: FactKind, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
        else:
            kind = declare_kind(
                code=obj.code,
                label_zh=obj.label_zh,
                label_en=obj.label_en,
                meaning=obj.meaning,
                emitter="admin",
            )
            obj.__dict__.update(kind.__dict__)
        action = "kind.change" if change else "kind.declare"
        audit(request.user, action, obj, fields=sorted(form.changed_data))
