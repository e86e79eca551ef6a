"""Who is who: conflicts with both sides, and a person's judgement."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from crm.agents.access import Permission, Scope, requires
from crm.customers.models import IdentityConflict
from crm.identity import actions, queries
from crm.identity.forms import ReasonForm
from crm.shared.errors import DomainError
from crm.shared.paging import keyset_page


@requires(Permission.IDENTITY_RESOLVE, scope=Scope.CUSTOMER)
@require_GET
def conflict_list(request: HttpRequest) -> HttpResponse:
    """Who may be somebody else, newest evidence first."""
    state, kind = request.GET.get("state", ""), request.GET.get("kind", "")
    found = queries.conflicts(request.user, state=state, kind=kind)
    page = keyset_page(found, order=("-last_seen_at",), params=request.GET)
    context = {
        "page": page,
        "rows": [
            (row, queries.shown_evidence(row), queries.LEVELS.get(row.state, "")) for row in page
        ],
        "states": IdentityConflict.State.choices,
        "state": state if state in IdentityConflict.State.values else IdentityConflict.State.OPEN,
    }
    return TemplateResponse(request, "crm/identity/list.html", context)


@requires(Permission.IDENTITY_RESOLVE, scope=Scope.CUSTOMER)
@require_GET
def conflict_detail(request: HttpRequest, conflict_id: int) -> HttpResponse:
    """Both sides beside one another."""
    return _page(request, _conflict_or_404(request, conflict_id), ReasonForm())


@requires(Permission.IDENTITY_RESOLVE, scope=Scope.CUSTOMER)
@require_POST
def merge_conflict(request: HttpRequest, conflict_id: int) -> HttpResponseBase:
    """They are one person."""
    return _judge(request, conflict_id, actions.merge_conflict, _("已合并"))


@requires(Permission.IDENTITY_RESOLVE, scope=Scope.CUSTOMER)
@require_POST
def keep_apart(request: HttpRequest, conflict_id: int) -> HttpResponseBase:
    """They are two."""
    return _judge(request, conflict_id, actions.keep_apart, _("已记下：不是同一人"))


def _judge(request: HttpRequest, conflict_id: int, action, said: str) -> HttpResponseBase:
    conflict = _conflict_or_404(request, conflict_id)
    form = ReasonForm(request.POST)
    if form.is_valid():
        try:
            action(
                conflict_id=conflict.pk,
                by=request.user,
                now=timezone.now(),
                reason=form.cleaned_data["reason"],
            )
        except DomainError as refusal:
            form.add_error(refusal.field, str(refusal))
        else:
            messages.success(request, said)
            return redirect("crm:identity:list")
    return _page(request, conflict, form, status=422)


def _page(
    request: HttpRequest, conflict: IdentityConflict, form: ReasonForm, status: int = 200
) -> HttpResponse:
    context = {
        "conflict": conflict,
        "case": queries.read_case(conflict, request.user),
        "evidence": queries.shown_evidence(conflict),
        "level": queries.LEVELS.get(conflict.state, ""),
        "form": form,
    }
    return TemplateResponse(request, "crm/identity/detail.html", context, status=status)


def _conflict_or_404(request: HttpRequest, conflict_id: int) -> IdentityConflict:
    seen = IdentityConflict.objects.for_user(request.user)
    seen = seen.select_related("customer", "other", "resolved_by__agent")
    return get_object_or_404(seen, pk=conflict_id)
