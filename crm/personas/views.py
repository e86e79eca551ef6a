"""The kinds of customers, the people of each, and the reasons of one customer."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from crm.agents.access import Permission, Scope, requires
from crm.audiences.actions import freeze_audience
from crm.customers.disclosure import export_customers, export_header
from crm.customers.models import Customer
from crm.customers.queries import DEFAULT_SORT
from crm.personas import queries
from crm.personas.scoring import LEAST, WINDOW, Persona
from crm.shared.errors import DomainError
from crm.shared.sheets import csv_response
from crm.shared.times import local_day


@requires(Permission.CUSTOMER_VIEW, scope=Scope.CUSTOMER)
@require_GET
def card(request: HttpRequest, customer_id: int) -> HttpResponse:
    """The part of a profile that says of which kind the customer is, and why."""
    customer = get_object_or_404(Customer.objects.for_user(request.user), pk=customer_id)
    context = {
        "customer": customer,
        "told": queries.persona_told(customer),
        "may_use_scripts": request.user.can(Permission.CONTENT_VIEW),
    }
    return TemplateResponse(request, "crm/personas/_card.html", context)


@requires(Permission.ANALYTICS_VIEW, scope=Scope.CUSTOMER)
@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    """How many of each kind, by which points, and what to do with them."""
    kinds, as_of = queries.overview(request.user)
    context = {"kinds": kinds, "as_of": as_of, "least": LEAST, "days": WINDOW.days}
    return TemplateResponse(request, "crm/personas/list.html", context)


@requires(Permission.ANALYTICS_VIEW, scope=Scope.CUSTOMER)
@require_GET
def people(request: HttpRequest, figure: str) -> HttpResponse:
    """Everybody of one kind within the user's scope."""
    context = {
        "label": _label(figure),
        "code": figure,
        "page": queries.people_page(request.user, figure, request.GET),
        "may_export": request.user.can(Permission.EXPORT),
        "may_save": request.user.can(Permission.AUDIENCE_SAVE),
    }
    return TemplateResponse(request, "crm/personas/people.html", context)


@requires(Permission.EXPORT, scope=Scope.CUSTOMER, audit=True)
@require_GET
def export(request: HttpRequest, figure: str) -> HttpResponseBase:
    """The same people as a file."""
    label, now = _label(figure), timezone.now()
    found = queries.people(request.user, figure)
    try:
        rows = export_customers(
            found, sort=DEFAULT_SORT, by=request.user, now=now, action="personas.export",
            persona=figure,
        )  # fmt: skip
    except DomainError as refusal:
        context = {"title": _("没有导出"), "text": str(refusal), "query": "", "label": label}
        return TemplateResponse(request, "crm/customers/refused.html", context, status=422)
    return csv_response(f"persona-{figure}-{local_day(now)}.csv", export_header(), rows)


@requires(Permission.AUDIENCE_SAVE, scope=Scope.CUSTOMER)
@require_POST
def save(request: HttpRequest, figure: str) -> HttpResponseBase:
    """The same people as an audience."""
    now = timezone.now()
    try:
        audience = freeze_audience(
            name=f"{_label(figure)} {local_day(now)}",
            customer_ids=queries.people(request.user, figure).values_list("pk", flat=True),
            by=request.user,
            now=now,
            source="persona",
            question={"persona": figure},
        )
    except DomainError as refusal:
        messages.error(request, str(refusal))
        return redirect("crm:personas:people", figure)
    return redirect("crm:audiences:detail", audience.pk)


def _label(figure: str) -> str:
    if figure == queries.NONE:
        return _("尚不明确")
    if figure not in Persona.values:
        raise Http404
    return str(Persona(figure).label)
