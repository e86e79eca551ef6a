"""Callbacks that could not be handled: why, and once more."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from crm.agents.access import Permission, requires
from crm.callbacks import actions, queries, tasks
from crm.callbacks.forms import ReplayForm
from crm.shared.http import go
from crm.shared.paging import keyset_page


@requires(Permission.SYNC_VIEW)
@require_GET
def parked_list(request: HttpRequest) -> HttpResponse:
    """What was parked, newest first, with reason, tries and times; never the message itself."""
    page = keyset_page(
        queries.parked_events(request.GET), order=("-finished_at",), params=request.GET
    )
    reason = request.GET.get("reason", "")
    context = {
        "page": page,
        "reasons": queries.parked_reasons(),
        "reason": reason,
        "is_filtered": bool(reason or request.GET.get("event")),
        "health": queries.inbox_health(timezone.now()),
        "may_replay": request.user.can(Permission.CALLBACK_REPLAY),
    }
    return TemplateResponse(request, "crm/callbacks/parked.html", context)


@requires(Permission.CALLBACK_REPLAY)
@require_POST
def replay(request: HttpRequest) -> HttpResponseBase:
    """Put one parked callback, or all of a reason, back into the queue."""
    form = ReplayForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("请选择一条已搁置的回调，或一种原因"))
        return go(request, "crm:callbacks:parked")
    replayed = _replay(form, request)
    if replayed:
        tasks.ring()
        text = ngettext("%(n)s 条回调已重新排队", "%(n)s 条回调已重新排队", replayed)
        messages.success(request, text % {"n": replayed})
    else:
        messages.warning(request, _("没有需要重新处理的回调：可能已有人处理过"))
    return go(request, "crm:callbacks:parked")


def _replay(form: ReplayForm, request: HttpRequest) -> int:
    said = {"by": request.user, "now": timezone.now()}
    if form.cleaned_data["event_id"]:
        return int(actions.replay_event(event_id=form.cleaned_data["event_id"], **said))
    return actions.replay_reason(reason=form.cleaned_data["reason"], **said)
