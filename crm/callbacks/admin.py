"""The inbox in Django admin: what was parked and why, and putting it back."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from crm.agents.console import MirrorAdmin
from crm.callbacks.actions import replay_event
from crm.callbacks.models import InboxEvent


@admin.register(InboxEvent)
class InboxEventAdmin(MirrorAdmin):
    """Without the messages themselves: they name people."""

    list_display = ("received_at", "event", "change_type", "state", "attempts", "why")
    list_filter = ("state", "event", "change_type")
    fields = (
        *("event", "change_type", "happened_at", "received_at", "state", "attempts", "deferrals"),
        *("next_try_at", "finished_at", "why"),
    )
    actions = ("replay",)

    @admin.display(description=gettext_lazy("原因"))
    def why(self, event: InboxEvent) -> str:
        return event.reason_words

    @admin.action(description=gettext_lazy("重新处理所选的已搁置回调"), permissions=["view"])
    def replay(self, request: HttpRequest, chosen: QuerySet[InboxEvent]) -> None:
        """Put the parked ones among the chosen back into the queue."""
        now = timezone.now()
        replayed = sum(
            replay_event(event_id=pk, by=request.user, now=now)
            for pk in chosen.values_list("pk", flat=True)
        )
        if replayed:
            text = ngettext("%(n)s 条回调已重新排队", "%(n)s 条回调已重新排队", replayed)
            self.message_user(request, text % {"n": replayed}, messages.SUCCESS)
        else:
            self.message_user(request, _("所选回调都不是已搁置状态"), messages.WARNING)
