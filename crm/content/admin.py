"""Words that no text may say, in the admin."""

from django.contrib import admin

from crm.agents.console import ConsoleAdmin
from crm.content.models import SensitiveWord


@admin.register(SensitiveWord)
class SensitiveWordAdmin(ConsoleAdmin):
    """敏感词."""

    list_display = ("word", "reason", "is_active")
    list_filter = ("is_active",)
    search_fields = ("word", "reason")
