"""The grid of value layers by life stage, and its file."""

from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from analytics.events.budget import OverBudget
from analytics.rfm import tables
from analytics.rfm.figures import definition
from analytics.rfm.forms import RfmForm
from analytics.rfm.layers import RfmQuestion
from analytics.rfm.queries import Layers, read_layers
from crm.agents.access import Permission, Scope, requires
from crm.agents.actions import audit
from crm.agents.models import User
from crm.shared.sheets import sheet_response
from crm.shared.times import local_day

TEMPLATE = "analytics/rfm/grid.html"


@requires(Permission.ANALYTICS_VIEW, scope=Scope.CUSTOMER)
@require_GET
def grid(request: HttpRequest) -> HttpResponse:
    """Layers by stages, where they are cut, and how scores are spread."""
    now = timezone.now()
    form = RfmForm(request.GET, now=now)
    question = form.question()
    context = {"form": form, "query": form.query().urlencode()}
    if question is None:
        return TemplateResponse(request, TEMPLATE, context, status=422)
    found = _found(form, question, request.user, now)
    if found is None:
        return TemplateResponse(request, TEMPLATE, context, status=422)
    context |= {
        "grid": tables.grid(question, found.cells, form.query().dict()),
        "cuts": found.cuts,
        "scores": tables.score_rows(found.scores, form.query().dict()),
        "definition": definition(),
        "data_time": found.data_time,
        "may_export": request.user.can(Permission.EXPORT),
    }
    return TemplateResponse(request, TEMPLATE, context)


@requires(Permission.EXPORT, scope=Scope.CUSTOMER, audit=True)
@require_GET
def export_grid(request: HttpRequest) -> HttpResponseBase:
    """The page's numbers as a file."""
    now = timezone.now()
    form = RfmForm(request.GET, now=now)
    question = form.question()
    answer = _found(form, question, request.user, now) if question else None
    if answer is None:
        context = {"form": form, "query": form.query().urlencode()}
        return TemplateResponse(request, TEMPLATE, context, status=422)
    found = tables.grid(question, answer.cells, form.query().dict())
    audit(request.user, "rfm.export", now=now, question=question.as_json())
    return sheet_response(
        f"rfm-{question.on}-{local_day(now)}",
        [_("价值层"), *found.heads, _("合计"), _("付款（元）")],
        tables.file_rows(found, _("合计")),
        kind=request.GET.get("format", ""),
    )


def _found(form: RfmForm, question: RfmQuestion, user: User, now: datetime) -> Layers | None:
    """The answer, or None with the reason on the form."""
    try:
        return read_layers(question, user=user, now=now)
    except OverBudget as refusal:
        form.add_error(None, str(refusal))
        return None
