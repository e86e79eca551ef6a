"""Trying other words of a welcome: begin, stop a loser, end."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from crm.acquisition.actions import try_welcome
from crm.acquisition.models import Welcome
from crm.agents.access import Permission, requires
from crm.shared.errors import DomainError
from crm.trials.forms import VariantsForm, plan_of
from crm.trials.variants import TrialRefused, stop_asked

TEMPLATE = "crm/acquisition/trial.html"


class WelcomeTrialForm(VariantsForm):
    """Variants of a welcome, and whether the control gets the plain words or none."""

    control = forms.ChoiceField(
        label=gettext_lazy("对照组收到"),
        choices=[
            ("plain", gettext_lazy("现在的欢迎语")),
            ("none", gettext_lazy("什么也不收到")),
        ],
    )  # fmt: skip


@requires(Permission.WELCOME_EDIT)
@require_http_methods(["GET", "POST"])
def welcome_trial(request: HttpRequest, welcome_id: int) -> HttpResponseBase:
    """The trial that runs, or the form for a new one."""
    welcome = get_object_or_404(Welcome, pk=welcome_id)
    form = WelcomeTrialForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        plain = welcome.text if form.cleaned_data["control"] == "plain" else ""
        plan = plan_of(form, title=welcome.name, control_text=plain)
        try:
            try_welcome(welcome=welcome, plan=plan, by=request.user, now=timezone.now())
        except DomainError as refusal:
            form.add_error(refusal.field if refusal.field in form.fields else None, str(refusal))
        else:
            messages.success(request, _("试验已开始"))
            return redirect("crm:acquisition:trial", welcome.pk)
    return _page(request, welcome, form=form, status=422 if form.is_bound else 200)


@requires(Permission.WELCOME_EDIT)
@require_POST
def stop_welcome_trial(request: HttpRequest, welcome_id: int) -> HttpResponseBase:
    """Stop one arm, or end the whole trial."""
    welcome = get_object_or_404(Welcome, pk=welcome_id)
    arm, now = request.POST.get("arm", ""), timezone.now()
    try:
        stop_asked(trial=welcome.trial, arm=arm, by=request.user, now=now)
    except TrialRefused as refusal:
        return _page(request, welcome, refusal=str(refusal), status=422)
    messages.success(request, _("已保存"))
    return redirect("crm:acquisition:trial", welcome.pk)


def _page(
    request: HttpRequest,
    welcome: Welcome,
    *,
    form: WelcomeTrialForm | None = None,
    refusal: str = "",
    status: int = 200,
) -> HttpResponseBase:
    trial = welcome.trial
    context: dict[str, Any] = {
        "welcome": welcome,
        "trial": trial,
        "arms": list(trial.arms.all()) if trial else [],
        "is_running": trial is not None and trial.ended_at is None,
        "form": form or WelcomeTrialForm(),
        "refusal": refusal,
        "may_judge": request.user.can(Permission.ANALYTICS_VIEW),
    }
    return TemplateResponse(request, TEMPLATE, context, status=status)
