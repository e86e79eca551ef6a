"""Shifts and the calendar are configuration; each change is written down."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from crm.agents.actions import audit
from crm.agents.console import ConsoleAdmin
from crm.worktime.models import CalendarDay, Shift


class WorktimeAdmin(ConsoleAdmin):
    """Rows that may also be deleted: figures are counted from what stands here now."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_change_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        audit(request.user, f"{obj._meta.model_name}.save", obj, changed=form.changed_data)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        audit(request.user, f"{obj._meta.model_name}.delete", obj, name=str(obj))
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for obj in queryset:
            self.delete_model(request, obj)


@admin.register(Shift)
class ShiftAdmin(WorktimeAdmin):
    """班次."""

    list_display = ["name", "agent", "department", "weekdays", "starts", "ends", "valid_from"]
    raw_id_fields = ["agent"]


@admin.register(CalendarDay)
class CalendarDayAdmin(WorktimeAdmin):
    """日历."""

    list_display = ["day", "works_as", "name"]
    date_hierarchy = "day"
