"""Runs of the sync in Django admin."""

from django.contrib import admin

from crm.agents.console import MirrorAdmin
from crm.sync.models import SyncRun


@admin.register(SyncRun)
class SyncRunAdmin(MirrorAdmin):
    list_display = ("started_at", "object", "state", "rows", "changed", "ended", "error_words")
    list_filter = ("object", "state")
    fields = (
        *("object", "state", "started_at", "touched_at", "finished_at", "pages", "rows"),
        *("changed", "ended", "error_words"),
    )
