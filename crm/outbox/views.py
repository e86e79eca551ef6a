"""The queue of outward actions, and the decision on unclear ones."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from crm.agents.access import Permission, Scope, requires
from crm.outbox import actions
from crm.outbox.forms import ResolveForm
from crm.outbox.models import OutboxItem
from crm.outbox.queries import COLUMNS, label_of, level_of, queue_summary
from crm.outbox.registry import page_of
from crm.outbox.throughput import minutes_chart, throughput
from crm.shared.errors import DomainError
from crm.shared.paging import keyset_page


@requires(Permission.OUTBOX_VIEW, scope=Scope.MOMENT)
@require_GET
def outbox_list(request: HttpRequest) -> HttpResponse:
    """What waits, what is unclear, what failed and why."""
    items = OutboxItem.objects.for_user(request.user)
    kind, state = request.GET.get("kind", ""), request.GET.get("state", "")
    if kind:
        items = items.filter(kind=kind)
    if state in OutboxItem.State.values:
        items = items.filter(state=state)
    page = keyset_page(items, order=("-due_at",), params=request.GET)
    rows = [(item, label_of(item.kind), level_of(item)) for item in page]
    now = timezone.now()
    pace = throughput(request.user, now=now)
    context = {
        "summary": queue_summary(request.user, now=now),
        "pace": pace,
        "pace_chart": minutes_chart(pace) if pace.total else None,
        "columns": [(column.value, column.label) for column in COLUMNS],
        "page": page,
        "rows": rows,
        "kind": kind,
        "state": state,
    }
    return TemplateResponse(request, "crm/outbox/list.html", context)


@requires(Permission.OUTBOX_VIEW, scope=Scope.MOMENT)
@require_GET
def outbox_detail(request: HttpRequest, item_id: int) -> HttpResponse:
    """One item with its evidence and the decisions about it."""
    item = _item_or_404(request, item_id)
    return TemplateResponse(request, "crm/outbox/detail.html", _context(request, item))


@requires(Permission.OUTBOX_RESOLVE, scope=Scope.MOMENT)
@require_POST
def adopt_item(request: HttpRequest, item_id: int) -> HttpResponseBase:
    """It happened, and this is its number."""
    return _resolve(request, item_id, adopt=True)


@requires(Permission.OUTBOX_RESOLVE, scope=Scope.MOMENT)
@require_POST
def abandon_item(request: HttpRequest, item_id: int) -> HttpResponseBase:
    """It did not happen and shall not."""
    return _resolve(request, item_id, adopt=False)


def _resolve(request: HttpRequest, item_id: int, *, adopt: bool) -> HttpResponseBase:
    item = _item_or_404(request, item_id)
    form = ResolveForm(request.POST)
    if form.is_valid():
        said = {"item_id": item.pk, "by": request.user, "now": timezone.now()}
        said["reason"] = form.cleaned_data["reason"]
        try:
            if adopt:
                actions.adopt_item(remote_id=form.cleaned_data["remote_id"], **said)
            else:
                actions.abandon_item(**said)
        except DomainError as refusal:
            form.add_error(refusal.field, str(refusal))
        else:
            messages.success(request, _("已采用") if adopt else _("已放弃"))
            return redirect("crm:outbox:detail", item.pk)
    context = _context(request, item) | {"form": form}
    return TemplateResponse(request, "crm/outbox/detail.html", context, status=422)


def _item_or_404(request: HttpRequest, item_id: int) -> OutboxItem:
    return get_object_or_404(OutboxItem.objects.for_user(request.user), pk=item_id)


def _context(request: HttpRequest, item: OutboxItem) -> dict:
    # Each kind names its records as WeCom does: moments by moment_id, mass sends by msgid.
    candidates = [
        {"remote_id": found.get("moment_id") or found.get("msgid") or "", "text": found.get("text")}
        for found in item.evidence.get("candidates") or []
    ]
    first = candidates[0]["remote_id"] if len(candidates) == 1 else ""
    may_resolve = request.user.can(Permission.OUTBOX_RESOLVE)
    return {
        "item": item,
        "subject_href": page_of(item),
        "label": label_of(item.kind),
        "level": level_of(item),
        "candidates": candidates,
        "decisions": item.decisions.all()[:20],
        "may_resolve": may_resolve and item.state == OutboxItem.State.PARKED,
        "form": ResolveForm(initial={"remote_id": first}),
    }
