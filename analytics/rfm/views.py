"""The grid of value layers by life stage, and its file."""

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from analytics.rfm import tables
from analytics.rfm.figures import definition
from analytics.rfm.forms import RfmForm
from analytics.rfm.layers import cells, cuts_of, score_counts
from crm.agents.access import Permission, Scope, requires
from crm.agents.actions import audit
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
    found = cells(question, user=request.user)
    scores = score_counts(question, user=request.user)
    names = {"r": _("最近（R）"), "f": _("次数（F）"), "m": _("金额（M）")}
    context |= {
        "grid": tables.grid(question, found, form.query().dict()),
        "cuts": cuts_of(question),
        "scores": [(names[name], list(counts.values())) for name, counts in scores.items()],
        "definition": definition(),
        "data_time": now,
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
    if question is None:
        context = {"form": form, "query": form.query().urlencode()}
        return TemplateResponse(request, TEMPLATE, context, status=422)
    found = tables.grid(question, cells(question, user=request.user), form.query().dict())
    audit(request.user, "rfm.export", now=now, question=question.as_json())
    return sheet_response(
        f"rfm-{question.on}-{local_day(now)}",
        [_("价值层"), *found.heads, _("合计"), _("付款（元）")],
        tables.file_rows(found, _("合计")),
        kind=request.GET.get("format", ""),
    )
