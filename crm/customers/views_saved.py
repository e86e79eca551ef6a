"""Saving a view of the customer list, changing and dropping it."""

from django.contrib import messages
from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from crm.agents.access import Permission, Scope, requires
from crm.customers.models import SavedView
from crm.customers.saved_views import PARAM, drop_view, question_of, save_view
from crm.shared.errors import DomainError


@requires(Permission.CUSTOMER_VIEW, scope=Scope.OWN)
@require_POST
def create_view(request: HttpRequest) -> HttpResponseBase:
    """Keep what the list shows now under a name."""
    return _save(request, None)


@requires(Permission.CUSTOMER_VIEW, scope=Scope.OWN)
@require_POST
def change_view(request: HttpRequest, view_id: int) -> HttpResponseBase:
    """An own view shows what the list shows now."""
    return _save(request, _own_or_404(request, view_id))


@requires(Permission.CUSTOMER_VIEW, scope=Scope.OWN)
@require_POST
def delete_view(request: HttpRequest, view_id: int) -> HttpResponseBase:
    """Forget an own view."""
    drop_view(view=_own_or_404(request, view_id), by=request.user, now=timezone.now())
    messages.success(request, _("已删除视图"))
    return redirect("crm:customers:list")


def _save(request: HttpRequest, view: SavedView | None) -> HttpResponseBase:
    asked = QueryDict(request.POST.get("query", "")[:8000])
    query = question_of(asked)
    try:
        saved = save_view(
            view=view,
            name=request.POST.get("name", ""),
            query=query,
            is_shared=request.POST.get("is_shared") == "on",
            by=request.user,
            now=timezone.now(),
        )
    except DomainError as refused:
        messages.error(request, str(refused))
        return redirect(f"{reverse('crm:customers:list')}?{asked.urlencode()}")
    messages.success(request, _("已保存视图"))
    return redirect(view_address(saved))


def view_address(view: SavedView) -> str:
    """Where the list shows this view."""
    mark = f"{PARAM}={view.pk}"
    return f"{reverse('crm:customers:list')}?{view.query}&{mark}".replace("?&", "?")


def _own_or_404(request: HttpRequest, view_id: int) -> SavedView:
    return get_object_or_404(
        SavedView.objects.for_user(request.user).owned_by(request.user), pk=view_id
    )
