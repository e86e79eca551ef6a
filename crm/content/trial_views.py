"""Trying variants of a script: begin, propose one to a customer's agent, stop a loser, end."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from crm.agents.access import Permission, Scope, requires
from crm.content.actions import MaterialRefused, may_edit
from crm.content.models import Material
from crm.content.trying import propose, try_script
from crm.customers.models import Customer
from crm.shared.errors import DomainError
from crm.shared.http import row_number
from crm.trials.forms import VariantsForm, plan_of
from crm.trials.variants import TrialRefused, stop_asked


@requires(Permission.CONTENT_VIEW, scope=Scope.OWN)
@require_http_methods(["GET", "POST"])
def script_trial(request: HttpRequest, material_id: int) -> HttpResponseBase:
    """The trial that runs, or the form for a new one; the script's own words are the control."""
    material = _script(request, material_id)
    form = VariantsForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        plan = plan_of(form, title=material.title, control_text=material.text)
        try:
            try_script(material=material, plan=plan, by=request.user, now=timezone.now())
        except DomainError as refusal:
            form.add_error(refusal.field if refusal.field in form.fields else None, str(refusal))
        else:
            messages.success(request, _("试验已开始"))
            return redirect("crm:content:trial", material.pk)
    return _page(request, material, form=form, status=422 if form.is_bound else 200)


@requires(Permission.CONTENT_VIEW, scope=Scope.OWN)
@require_POST
def stop_script_trial(request: HttpRequest, material_id: int) -> HttpResponseBase:
    """Stop one arm, or end the whole trial."""
    material = _script(request, material_id)
    arm, now = request.POST.get("arm", ""), timezone.now()
    try:
        if not may_edit(request.user, material):
            raise MaterialRefused(_("只有作者和运营可以修改"))
        stop_asked(trial=material.trial, arm=arm, by=request.user, now=now)
    except DomainError as refusal:
        return _page(request, material, refusal=str(refusal), status=422)
    messages.success(request, _("已保存"))
    return redirect("crm:content:trial", material.pk)


@requires(Permission.CONTENT_VIEW, scope=Scope.OWN)
@require_POST
def propose_words(request: HttpRequest, material_id: int) -> HttpResponseBase:
    """Draw the words for one customer and show them."""
    material = _script(request, material_id)
    pk = row_number(request.POST.get("customer", ""))
    customer = Customer.objects.for_user(request.user).filter(pk=pk).first()
    try:
        if customer is None:
            raise TrialRefused(_("没有这位客户，请从客户页打开话术"))
        propose(material=material, customer=customer, by=request.user, now=timezone.now())
    except TrialRefused as refusal:
        return _page(request, material, refusal=str(refusal), status=422)
    return redirect(f"{reverse('crm:content:detail', args=[material.pk])}?customer={customer.pk}")


def _script(request: HttpRequest, material_id: int) -> Material:
    rows = Material.objects.for_user(request.user).select_related("trial", "owner__agent")
    return get_object_or_404(rows, pk=material_id)


def _page(
    request: HttpRequest,
    material: Material,
    *,
    form: VariantsForm | None = None,
    refusal: str = "",
    status: int = 200,
) -> HttpResponseBase:
    trial = material.trial
    can_edit = may_edit(request.user, material)
    runs = trial is not None and trial.ended_at is None
    context: dict[str, Any] = {
        "material": material,
        "trial": trial,
        "arms": list(trial.arms.all()) if trial else [],
        "is_running": runs and can_edit,
        "may_start": can_edit and not runs and material.kind == Material.Kind.SCRIPT,
        "form": form or VariantsForm(),
        "refusal": refusal,
        "may_judge": request.user.can(Permission.ANALYTICS_VIEW),
    }
    return TemplateResponse(request, "crm/content/trial.html", context, status=status)
