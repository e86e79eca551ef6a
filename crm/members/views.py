"""A customer's membership: the part of the profile, and the page with cards and benefits."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from crm.agents.access import Permission, Scope, requires
from crm.customers.models import Customer
from crm.members import actions, queries
from crm.members.forms import CardForm, EndForm
from crm.members.models import MemberCard
from crm.shared.errors import DomainError
from crm.shared.http import row_number
from crm.shared.times import local_day


@requires(Permission.CUSTOMER_VIEW, scope=Scope.CUSTOMER)
@require_GET
def card(request: HttpRequest, customer_id: int) -> HttpResponse:
    """Tier, last day, benefits and what is left of them."""
    customer = _customer_or_404(request, customer_id)
    return TemplateResponse(request, "crm/members/_card.html", _told(request, customer))


@requires(Permission.CUSTOMER_VIEW, scope=Scope.CUSTOMER)
@require_GET
def detail(request: HttpRequest, customer_id: int) -> HttpResponse:
    """All cards of a customer."""
    return _detail(request, _customer_or_404(request, customer_id))


@requires(Permission.FIELDS_EDIT, scope=Scope.CUSTOMER)
@require_http_methods(["GET", "POST"])
def give(request: HttpRequest, customer_id: int) -> HttpResponseBase:
    """Give a card."""
    customer, now = _customer_or_404(request, customer_id), timezone.now()
    form = CardForm(request.POST or None, initial={"begins_on": local_day(now)})
    if request.method == "POST" and form.is_valid():
        try:
            actions.give_card(customer=customer, by=request.user, now=now, **form.cleaned_data)
        except DomainError as refused:
            form.add_error(refused.field or None, str(refused))
        else:
            messages.success(request, _("已保存"))
            return redirect("crm:members:detail", customer.pk)
    status = 422 if request.method == "POST" else 200
    context = {"customer": customer, "form": form}
    return TemplateResponse(request, "crm/members/give.html", context, status=status)


@requires(Permission.FIELDS_EDIT, scope=Scope.CUSTOMER)
@require_POST
def end(request: HttpRequest, card_id: int) -> HttpResponseBase:
    """Change the last day of a card."""
    form = EndForm(request.POST)

    def do(held: MemberCard, **said: Any) -> None:
        if not form.is_valid():
            raise actions.CardRefused(_("请填写结束日期"))
        actions.end_card(card=held, ends_on=form.cleaned_data["ends_on"], **said)

    return _step(request, card_id, do, _("已保存"))


@requires(Permission.FIELDS_EDIT, scope=Scope.CUSTOMER)
@require_POST
def use(request: HttpRequest, card_id: int) -> HttpResponseBase:
    """Take one of a benefit."""
    named = request.POST.get("benefit", "")

    def do(held: MemberCard, **said: Any) -> None:
        benefit = held.tier.benefits.filter(pk=row_number(named)).first()
        if benefit is None:
            raise actions.CardRefused(_("这张会员卡没有这项权益"))
        note = request.POST.get("note", "")
        actions.use_benefit(card=held, benefit=benefit, note=note, **said)

    return _step(request, card_id, do, _("已记下一次使用"))


def _step(
    request: HttpRequest, card_id: int, do: Callable[..., None], words: str
) -> HttpResponseBase:
    rows = MemberCard.objects.for_user(request.user).select_related("tier", "customer")
    held = get_object_or_404(rows, pk=card_id)
    try:
        do(held, by=request.user, now=timezone.now())
    except DomainError as refused:
        return _detail(request, held.customer, refusal=str(refused))
    messages.success(request, words)
    return redirect("crm:members:detail", held.customer_id)


def _detail(request: HttpRequest, customer: Customer, *, refusal: str = "") -> HttpResponse:
    context = _told(request, customer) | {"refusal": refusal}
    status = 422 if refusal else 200
    return TemplateResponse(request, "crm/members/detail.html", context, status=status)


def _told(request: HttpRequest, customer: Customer) -> dict:
    return {
        "customer": customer,
        "membership": queries.membership_of(customer, local_day(timezone.now())),
        "may_edit": request.user.can(Permission.FIELDS_EDIT),
    }


def _customer_or_404(request: HttpRequest, customer_id: int) -> Customer:
    return get_object_or_404(Customer.objects.for_user(request.user), pk=customer_id)
