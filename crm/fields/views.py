"""A customer's own fields: the part of the profile, and the form."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from crm.agents.access import Permission, Scope, requires
from crm.customers.models import Customer
from crm.fields import actions, queries
from crm.fields.forms import ValuesForm
from crm.fields.models import FieldValue
from crm.fields.values import FieldRefused


@requires(Permission.CUSTOMER_VIEW, scope=Scope.CUSTOMER)
@require_GET
def card(request: HttpRequest, customer_id: int) -> HttpResponse:
    """What is known, who said so and when."""
    customer = get_object_or_404(Customer.objects.for_user(request.user), pk=customer_id)
    context = {
        "customer": customer,
        "lines": queries.lines(customer),
        "may_edit": request.user.can(Permission.FIELDS_EDIT) and bool(queries.active_fields()),
    }
    return TemplateResponse(request, "crm/fields/_card.html", context)


@requires(Permission.FIELDS_EDIT, scope=Scope.CUSTOMER)
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, customer_id: int) -> HttpResponseBase:
    """Write down what is known."""
    customer = get_object_or_404(Customer.objects.for_user(request.user), pk=customer_id)
    fields, values = queries.active_fields(), queries.values_of(customer)
    form = ValuesForm(request.POST or None, fields=fields, values=values)
    if request.method == "POST" and form.is_valid():
        try:
            actions.set_values(
                customer=customer,
                values=form.said(),
                source=FieldValue.Source.PERSON,
                by=request.user,
                now=timezone.now(),
            )
        except FieldRefused as refused:
            form.add_error(refused.field if refused.field in form.fields else None, str(refused))
        else:
            messages.success(request, _("已保存"))
            return redirect("crm:customers:profile", customer.pk)
    status = 422 if request.method == "POST" else 200
    context = {"customer": customer, "form": form, "has_fields": bool(fields)}
    return TemplateResponse(request, "crm/fields/edit.html", context, status=status)
