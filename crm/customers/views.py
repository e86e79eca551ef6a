"""The list of customers and the profile of one."""

from datetime import datetime, timedelta

from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from crm.agents.access import Permission, Scope, requires
from crm.customers import columns, saved_views
from crm.customers.disclosure import export_customers, export_header, reveal_phone
from crm.customers.forms import CustomerFilterForm, RevealForm
from crm.customers.models import Customer, SavedView
from crm.customers.origins import lines_of
from crm.customers.profile import neighbours_in_list, read_profile
from crm.customers.queries import DEFAULT_SORT, customer_page, find_customers, newcomers
from crm.customers.views_saved import view_address
from crm.shared.errors import DomainError
from crm.shared.filters import kept, search_box
from crm.shared.formatting import compact, digits
from crm.shared.http import is_htmx
from crm.shared.paging import Page, keyset_page
from crm.shared.sheets import csv_response
from crm.shared.times import local_day
from crm.timeline.queries import timeline
from crm.timeline.words import FAMILIES

PANEL_ROWS = 20
GLANCE_FACTS = 6
NEWS_LOOKBACK = timedelta(hours=12)


@requires(Permission.CUSTOMER_VIEW, scope=Scope.CUSTOMER)
@require_GET
def customer_list(request: HttpRequest) -> HttpResponse:
    """The list, or its people as a side panel where a number was opened."""
    form = CustomerFilterForm(request.GET, user=request.user)
    sort = request.GET.get("sort") or DEFAULT_SORT
    in_panel = is_htmx(request)
    page = customer_page(
        request.user,
        form.filter(),
        sort=sort,
        params=request.GET,
        size=PANEL_ROWS if in_panel else 50,
    )
    context = {
        "page": page,
        "count": _count_words(page),
        "query": _query(request),
        "sort": DEFAULT_SORT,
    }
    if in_panel:
        return TemplateResponse(request, "crm/customers/_panel.html", context)
    return TemplateResponse(
        request, "crm/customers/list.html", context | _list_context(request, form, page)
    )


def _list_context(request: HttpRequest, form: CustomerFilterForm, page: Page) -> dict:
    narrowed, (shown, others) = form.is_narrowed, columns.chosen(request.GET)
    bare = QueryDict(mutable=True)
    for name, code in columns.encoded(shown):
        bare.appendlist(name, code)
    return {
        "columns": shown,
        "other_columns": others,
        "most_columns": columns.MOST,
        "rows": list(zip(page, columns.cells_of(page.rows, shown), strict=True)),
        "without_columns": kept(request.GET, without=(columns.PARAM,)),
        **_views(request),
        "chips": form.chips(),
        "search": search_box(request.GET, _("姓名、拼音、首字母或编号")),
        "clear_href": f"?{bare.urlencode()}" if narrowed else "",
        "narrowed": narrowed,
        "ignored": [form[name].label or _("客户群") for name in form.errors],
        "opened_at": timezone.now().isoformat(),
        "may_export": request.user.can(Permission.EXPORT),
        "may_tag": request.user.can(Permission.TAG_EDIT),
    }


def _views(request: HttpRequest) -> dict:
    """Tabs of saved views; the one that the address names, and whether it was changed since."""
    rows = list(SavedView.objects.for_user(request.user).select_related("owner__agent"))
    rows.sort(key=lambda view: view.owner_id != request.user.pk)
    named = request.GET.get(saved_views.PARAM, "")
    current = next((view for view in rows if str(view.pk) == named), None)
    asked = saved_views.question_of(request.GET)
    tabs = [{"label": _("全部"), "href": "?", "current": current is None and not asked}]
    tabs += [
        {"label": view.name, "href": view_address(view), "current": view == current}
        for view in rows
    ]
    return {
        "view": current,
        "owns_view": current is not None and current.owner_id == request.user.pk,
        "view_changed": current is not None and asked != current.query,
        "tabs": tabs if rows else [],
        "asked": asked,
        "may_share": saved_views.may_share(request.user),
    }


@requires(Permission.CUSTOMER_VIEW, scope=Scope.CUSTOMER)
@require_GET
def customer_news(request: HttpRequest) -> HttpResponse:
    """Friends added since the list was opened; an open page asks for it every few seconds."""
    form = CustomerFilterForm(request.GET, user=request.user)
    since = _since(request.GET.get("since", ""), now=timezone.now())
    total, latest = newcomers(request.user, form.filter(), since=since)
    context = {"total": total, "latest": latest, "query": _query(request)}
    return TemplateResponse(request, "crm/customers/_news.html", context)


@requires(Permission.CUSTOMER_VIEW, scope=Scope.CUSTOMER)
@require_GET
def customer_profile(request: HttpRequest, customer_id: int) -> HttpResponse:
    """Who is this, and what happened; a glance at it when opened beside a list."""
    customer = _customer_or_404(request, customer_id)
    if is_htmx(request):
        context = {
            "profile": read_profile(customer, request.user),
            "entries": timeline(request.user, customer.pk, params={}, size=GLANCE_FACTS),
        }
        return TemplateResponse(request, "crm/customers/_preview.html", context)
    return _profile(request, customer)


@requires(Permission.CUSTOMER_VIEW, scope=Scope.CUSTOMER)
@require_GET
def customer_changes(request: HttpRequest, customer_id: int) -> HttpResponse:
    """What was said of a customer before, by whom, and what is said instead."""
    customer = _customer_or_404(request, customer_id)
    rows = customer.attribute_changes.select_related("said_by")
    page = keyset_page(rows, order=("-at",), params=request.GET)
    context = {"customer": customer, "page": page, "lines": lines_of(page.rows)}
    return TemplateResponse(request, "crm/customers/changes.html", context)


@requires(Permission.CUSTOMER_REVEAL, scope=Scope.CUSTOMER, audit=True)
@require_POST
def reveal_customer_phone(request: HttpRequest, customer_id: int) -> HttpResponse:
    """The whole phone number, against a reason that is written down."""
    customer = _customer_or_404(request, customer_id)
    form = RevealForm(request.POST)
    phone = ""
    if form.is_valid():
        try:
            phone = reveal_phone(
                customer=customer,
                reason=form.cleaned_data["reason"],
                by=request.user,
                now=timezone.now(),
            )
        except DomainError as refusal:
            form.add_error(refusal.field, str(refusal))
    if is_htmx(request):
        context = {"profile": read_profile(customer, request.user), "phone": phone}
        context |= {"reveal": form, "may_reveal": True}
        response = TemplateResponse(request, "crm/customers/_phone.html", context)
    else:
        response = _profile(request, customer, phone=phone, reveal=form)
    response["Cache-Control"] = "no-store"
    return response


@requires(Permission.EXPORT, scope=Scope.CUSTOMER, audit=True)
@require_GET
def export_customer_list(request: HttpRequest) -> HttpResponseBase:
    """The list as it is narrowed and ordered now, as a file."""
    form = CustomerFilterForm(request.GET, user=request.user)
    now, (shown, _others) = timezone.now(), columns.chosen(request.GET)
    try:
        rows = export_customers(
            find_customers(request.user, form.filter()),
            sort=request.GET.get("sort") or DEFAULT_SORT,
            by=request.user,
            now=now,
            columns=shown,
            query=_query(request)[:1000],
        )
    except DomainError as refusal:
        context = {"title": _("没有导出"), "text": str(refusal), "query": _query(request)}
        return TemplateResponse(request, "crm/customers/refused.html", context, status=422)
    return csv_response(f"customers-{local_day(now)}.csv", export_header(shown), rows)


def _profile(
    request: HttpRequest, customer: Customer, *, phone: str = "", reveal: RevealForm | None = None
) -> HttpResponse:
    family = request.GET.get("kind", "")
    context = {
        "profile": read_profile(customer, request.user),
        "entries": timeline(request.user, customer.pk, family=family, params=request.GET),
        "families": FAMILIES,
        "family": family,
        "phone": phone,
        "reveal": reveal or RevealForm(),
        "may_reveal": request.user.can(Permission.CUSTOMER_REVEAL),
        "may_read_archive": request.user.can(Permission.ARCHIVE_READ),
        "may_use_scripts": request.user.can(Permission.CONTENT_VIEW),
        "may_handle_request": request.user.can(Permission.SUBJECT_HANDLE),
        "may_opt_out": request.user.can(Permission.OPT_OUT),
        "may_follow_up": request.user.can(Permission.FOLLOW_UP),
        **_way_through_list(request, customer),
    }
    return TemplateResponse(request, "crm/customers/profile.html", context)


def _way_through_list(request: HttpRequest, customer: Customer) -> dict:
    """Where the list stands from which the user came (``?list=`` holds its query string)."""
    if "list" not in request.GET:
        return {"list_query": None}
    listed = QueryDict(request.GET["list"][:2000])
    form = CustomerFilterForm(listed, user=request.user)
    before, after = neighbours_in_list(
        customer, request.user, form.filter(), listed.get("sort") or DEFAULT_SORT
    )
    return {"list_query": listed.urlencode(), "previous_id": before, "next_id": after}


def _customer_or_404(request: HttpRequest, customer_id: int) -> Customer:
    seen = Customer.objects.for_user(request.user).select_related("channel")
    return get_object_or_404(seen, pk=customer_id)


def _query(request: HttpRequest) -> str:
    """The query string of the question: filters and order, without the place in the list."""
    query = QueryDict(mutable=True)
    for name, value in kept(request.GET):
        query.appendlist(name, value)
    return query.urlencode()


def _count_words(page: Page) -> str:
    if page.is_exact:
        return ngettext("%(n)s 位客户", "%(n)s 位客户", page.total) % {"n": digits(page.total)}
    return _("约 %(n)s 位客户") % {"n": compact(page.total)}


def _since(text: str, *, now: datetime) -> datetime:
    try:
        asked = parse_datetime(text.replace(" ", "+"))
    except ValueError:
        asked = None
    if asked is None or timezone.is_naive(asked):
        return now
    return max(asked, now - NEWS_LOOKBACK)
