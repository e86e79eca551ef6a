"""The index on the profile, and the page that opens every point."""

from datetime import date, datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_GET

from crm.agents.access import Permission, Scope, requires
from crm.customers.models import Customer
from crm.depth import queries
from crm.depth.scoring import HIGHEST, RULES, VERSION, WINDOW
from crm.shared.times import day_end, local_day


@requires(Permission.CUSTOMER_VIEW, scope=Scope.CUSTOMER)
@require_GET
def card(request: HttpRequest, customer_id: int) -> HttpResponse:
    """The index, and who talks to whom."""
    customer, now = _customer_or_404(request, customer_id), timezone.now()
    context = _told(customer, now) | {"customer": customer}
    return TemplateResponse(request, "crm/depth/_card.html", context)


@requires(Permission.CUSTOMER_VIEW, scope=Scope.CUSTOMER)
@require_GET
def detail(request: HttpRequest, customer_id: int) -> HttpResponse:
    """Every rule with its count and points, as of a day; ``rule`` opens the events of one."""
    customer = _customer_or_404(request, customer_id)
    day, as_of = _as_of(request.GET.get("as_of", ""))
    chosen = next((rule for rule in RULES if rule.code == request.GET.get("rule")), None)
    context = _told(customer, as_of) | {
        "customer": customer,
        "day": day,
        "days": WINDOW.days,
        "silence_hours": int(queries.SILENCE.total_seconds() // 3600),
        "version": VERSION,
        "rule": chosen,
    }
    if chosen:
        context["entries"] = queries.evidence(
            request.user, customer, chosen, as_of=as_of, params=request.GET
        )
    return TemplateResponse(request, "crm/depth/detail.html", context)


def _told(customer: Customer, as_of: datetime) -> dict:
    return {
        "depth": queries.depth_of(customer, as_of=as_of),
        "talk": queries.talk_of(customer, as_of=as_of),
        "highest": HIGHEST,
    }


def _as_of(text: str) -> tuple[date, datetime]:
    """The day that was asked for and its end; today and now for anything that is no past day."""
    now = timezone.now()
    try:
        day = parse_date(text)
    except ValueError:
        day = None
    if day is None or day >= local_day(now):
        return local_day(now), now
    return day, day_end(day)


def _customer_or_404(request: HttpRequest, customer_id: int) -> Customer:
    return get_object_or_404(Customer.objects.for_user(request.user), pk=customer_id)
