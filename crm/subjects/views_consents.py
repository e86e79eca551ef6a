"""Who agreed to the chat archive and who declined: the list, its file, and a profile's card."""

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET

from crm.agents.access import Permission, Scope, requires
from crm.customers.models import Customer
from crm.shared.errors import DomainError
from crm.shared.filters import search_box
from crm.shared.formatting import digits
from crm.shared.paging import keyset_page
from crm.shared.sheets import csv_response
from crm.shared.times import local_day
from crm.subjects import consents

DECISIONS = {"yes": True, "no": False}


def _rows(request: HttpRequest) -> QuerySet:
    name = request.GET.get("q", "").strip()[:64]
    agreed = DECISIONS.get(request.GET.get("agreed", ""))
    return consents.archive_consents(request.user, name=name, agreed=agreed)


@requires(Permission.SUBJECT_HANDLE, scope=Scope.CUSTOMER)
@require_GET
def consent_list(request: HttpRequest) -> HttpResponse:
    """What customers in scope decided about the archive, latest first."""
    page = keyset_page(_rows(request), order=("-decided_at",), params=request.GET)
    agreed = request.GET.get("agreed", "")
    narrowed = bool(request.GET.get("q")) or agreed in DECISIONS
    context = {
        "page": page,
        "lines": [(row.customer, consents.line_of(row)) for row in page.rows],
        "agreed": agreed if agreed in DECISIONS else "",
        "narrowed": narrowed,
        "clear_href": "?" if narrowed else "",
        "count": ngettext("%(n)s 个决定", "%(n)s 个决定", page.total) % {"n": digits(page.total)},
        "search": search_box(request.GET, _("客户姓名")),
        "query": request.GET.urlencode(),
        "may_export": request.user.can(Permission.EXPORT),
        "may_opt_out": request.user.can(Permission.OPT_OUT),
    }
    return TemplateResponse(request, "crm/subjects/consents.html", context)


@requires(Permission.EXPORT, scope=Scope.CUSTOMER, audit=True)
@require_GET
def export_consents(request: HttpRequest) -> HttpResponseBase:
    """The same decisions as a file."""
    now = timezone.now()
    try:
        lines = consents.export_consents(_rows(request), by=request.user, now=now)
    except DomainError as refusal:
        context = {"title": _("没有导出"), "text": str(refusal), "query": ""}
        return TemplateResponse(request, "crm/customers/refused.html", context, status=422)
    return csv_response(f"consents-{local_day(now)}.csv", consents.HEADER, lines)


@requires(Permission.CUSTOMER_VIEW, scope=Scope.CUSTOMER)
@require_GET
def customer_consents(request: HttpRequest, customer_id: int) -> HttpResponse:
    """The part of the profile: every decision that stands."""
    customer = get_object_or_404(Customer.objects.for_user(request.user), pk=customer_id)
    context = {"lines": consents.lines_of(customer)}
    return TemplateResponse(request, "crm/subjects/_consents.html", context)
