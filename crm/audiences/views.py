"""Saved audiences: frozen lists, opened and taken away."""

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET

from crm.agents.access import Permission, Scope, requires
from crm.audiences import queries
from crm.audiences.models import Audience
from crm.customers.disclosure import export_customers, export_header
from crm.customers.queries import DEFAULT_SORT
from crm.shared.errors import DomainError
from crm.shared.filters import search_box
from crm.shared.formatting import digits
from crm.shared.sheets import csv_response
from crm.shared.times import local_day


@requires(Permission.AUDIENCE_SAVE, scope=Scope.AUDIENCE)
@require_GET
def audience_list(request: HttpRequest) -> HttpResponse:
    """Which lists exist, and who froze them."""
    page = queries.audience_page(request.user, params=request.GET)
    query = request.GET.get("q", "")
    context = {
        "page": page,
        "narrowed": bool(query),
        "clear_href": "?" if query else "",
        "count": ngettext("%(n)s 个人群", "%(n)s 个人群", page.total) % {"n": digits(page.total)},
        "search": search_box(request.GET, _("人群名称")),
    }
    return TemplateResponse(request, "crm/audiences/list.html", context)


@requires(Permission.AUDIENCE_SAVE, scope=Scope.AUDIENCE)
@require_GET
def audience_detail(request: HttpRequest, audience_id: int) -> HttpResponse:
    """Who is in it, and which question they answered."""
    audience = _audience_or_404(request, audience_id)
    page = queries.member_page(audience, request.user, params=request.GET)
    context = {
        "audience": audience,
        "source": queries.source_words(audience),
        "question": queries.question_words(audience),
        "page": page,
        "hidden": max(audience.customer_count - page.total, 0) if page.is_exact else 0,
        "may_export": request.user.can(Permission.EXPORT),
        "may_tag": request.user.can(Permission.AUDIENCE_TAG),
    }
    return TemplateResponse(request, "crm/audiences/detail.html", context)


@requires(Permission.EXPORT, scope=Scope.AUDIENCE, audit=True)
@require_GET
def export_audience(request: HttpRequest, audience_id: int) -> HttpResponseBase:
    """Its members in scope as a file."""
    audience = _audience_or_404(request, audience_id)
    now = timezone.now()
    try:
        rows = export_customers(
            queries.members(audience, request.user),
            sort=DEFAULT_SORT,
            by=request.user,
            now=now,
            action="audience.export",
            audience=audience.pk,
        )
    except DomainError as refusal:
        context = {"title": _("没有导出"), "text": str(refusal), "query": ""}
        return TemplateResponse(request, "crm/customers/refused.html", context, status=422)
    filename = f"audience-{audience.pk}-{local_day(now)}.csv"
    return csv_response(filename, export_header(), rows)


def _audience_or_404(request: HttpRequest, audience_id: int) -> Audience:
    seen = Audience.objects.for_user(request.user).select_related("created_by__agent")
    return get_object_or_404(seen, pk=audience_id)
