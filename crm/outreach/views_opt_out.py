"""Who does not want marketing: the list, and a customer's own page."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from crm.agents.access import Permission, Scope, requires
from crm.customers.disclosure import export_customers, export_header
from crm.customers.models import Customer
from crm.customers.queries import DEFAULT_SORT
from crm.outreach import actions
from crm.outreach.models import OptOut
from crm.shared.errors import DomainError
from crm.shared.filters import search_box
from crm.shared.formatting import digits
from crm.shared.paging import keyset_page
from crm.shared.sheets import csv_response
from crm.shared.times import local_day


def _rows(request: HttpRequest) -> Any:
    """Opt-outs of customers in scope, narrowed by a name."""
    found = OptOut.objects.for_user(request.user)
    if query := request.GET.get("q", "").strip()[:64]:
        found = found.filter(customer__in=Customer.unsafe_all.named_like(query))
    return found


@requires(Permission.OPT_OUT, scope=Scope.CUSTOMER)
@require_GET
def opt_out_list(request: HttpRequest) -> HttpResponse:
    """Everybody in scope who asked for no marketing, latest first."""
    found = _rows(request).select_related("customer", "recorded_by__agent")
    page = keyset_page(found, order=("-since",), params=request.GET)
    query = request.GET.get("q", "")
    context = {
        "page": page,
        "narrowed": bool(query),
        "clear_href": "?" if query else "",
        "count": ngettext("%(n)s 位客户", "%(n)s 位客户", page.total) % {"n": digits(page.total)},
        "search": search_box(request.GET, _("客户姓名")),
        "query": request.GET.urlencode(),
        "may_export": request.user.can(Permission.EXPORT),
    }
    return TemplateResponse(request, "crm/outreach/opt_outs.html", context)


@requires(Permission.EXPORT, scope=Scope.CUSTOMER, audit=True)
@require_GET
def export_opt_outs(request: HttpRequest) -> HttpResponseBase:
    """The same people as a file."""
    now = timezone.now()
    seen = Customer.objects.for_user(request.user).filter(
        pk__in=_rows(request).values("customer_id")
    )
    try:
        rows = export_customers(
            seen, sort=DEFAULT_SORT, by=request.user, now=now, action="opt_outs.export"
        )
    except DomainError as refusal:
        context = {"title": _("没有导出"), "text": str(refusal), "query": ""}
        return TemplateResponse(request, "crm/customers/refused.html", context, status=422)
    told = {
        row.customer.customer_no or row.customer.external_userid: (row.since, row.note)
        for row in _rows(request).select_related("customer")
    }
    header = [*export_header(), _("拒收时间"), _("说明")]
    lines = ([*line, *told.get(line[0], ("", ""))] for line in rows)
    return csv_response(f"opt-outs-{local_day(now)}.csv", header, lines)


@requires(Permission.OPT_OUT, scope=Scope.CUSTOMER)
@require_http_methods(["GET", "POST"])
def opt_out_customer(request: HttpRequest, customer_id: int) -> HttpResponseBase:
    """Whether a customer wants marketing; POST notes that they do not."""
    customer = _customer_or_404(request, customer_id)
    if request.method == "POST":
        actions.opt_out(
            customer=customer,
            note=request.POST.get("note", ""),
            by=request.user,
            now=timezone.now(),
        )
        messages.success(request, _("已登记，之后的群发会跳过这位客户"))
        return redirect("crm:outreach:opt_out", customer.pk)
    return _page(request, customer)


@requires(Permission.OPT_OUT, scope=Scope.CUSTOMER)
@require_POST
def lift_opt_out(request: HttpRequest, customer_id: int) -> HttpResponseBase:
    """The customer wants to hear from us again."""
    customer = _customer_or_404(request, customer_id)
    try:
        actions.opt_in(
            customer=customer,
            reason=request.POST.get("reason", ""),
            by=request.user,
            now=timezone.now(),
        )
    except actions.NotAllowed as refusal:
        return _page(request, customer, refusal=str(refusal))
    messages.success(request, _("已恢复，可以再发给这位客户"))
    return redirect("crm:outreach:opt_out", customer.pk)


def _page(request: HttpRequest, customer: Customer, *, refusal: str = "") -> HttpResponse:
    row = OptOut.objects.for_user(request.user).filter(customer=customer)
    context = {
        "customer": customer,
        "row": row.select_related("recorded_by__agent").first(),
        "refusal": refusal,
        "note": request.POST.get("note", ""),
    }
    status = 422 if refusal else 200
    return TemplateResponse(request, "crm/outreach/opt_out.html", context, status=status)


def _customer_or_404(request: HttpRequest, customer_id: int) -> Customer:
    return get_object_or_404(Customer.objects.for_user(request.user), pk=customer_id)
