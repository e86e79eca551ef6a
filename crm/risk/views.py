"""The part of a profile that says how likely one more promotion loses this customer."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.views.decorators.http import require_GET

from crm.agents.access import Permission, Scope, requires
from crm.customers.models import Customer
from crm.risk import queries
from crm.risk.features import HORIZON_DAYS


@requires(Permission.CUSTOMER_VIEW, scope=Scope.CUSTOMER)
@require_GET
def card(request: HttpRequest, customer_id: int) -> HttpResponse:
    """Band, probability where a model stands, and the reasons."""
    customer = get_object_or_404(Customer.objects.for_user(request.user), pk=customer_id)
    context = {
        "told": queries.risk_told(customer, by=request.user),
        "days": HORIZON_DAYS,
    }
    return TemplateResponse(request, "crm/risk/_card.html", context)
