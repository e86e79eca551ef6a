"""The receiving cap in the admin: dated rows, of which only those to come may change."""

from django.contrib import admin

from crm.outbox.admin import DatedRuleAdmin
from crm.outreach.caps import ReceiveCap


@admin.register(ReceiveCap)
class ReceiveCapAdmin(DatedRuleAdmin):
    """接收上限."""

    list_display = ["code", "version", "window", "own_limit", "valid_from", "is_off", "note"]
    fields = ["code", "window", "own_limit", "valid_from", "is_off", "note", "version"]
