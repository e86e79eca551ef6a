"""Days of agents and of groups in Django admin, to look at."""

from django.contrib import admin

from crm.agents.console import MirrorAdmin
from crm.statistics.models import AgentDay, OwnerDay


@admin.register(AgentDay)
class AgentDayAdmin(MirrorAdmin):
    list_display = ("day_on", "agent", "contacts_added", "chats", "messages", "reply_percentage")
    list_filter = ("is_settled", "day_on")


@admin.register(OwnerDay)
class OwnerDayAdmin(MirrorAdmin):
    list_display = ("day_on", "agent", "groups", "people", "people_active", "messages")
    list_filter = ("is_settled", "day_on")
