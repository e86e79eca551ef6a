"""Does the pool grow, and why? The balance page and its file."""

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from analytics.pool import tables
from analytics.pool.charts import balance_chart
from analytics.pool.figures import definition_of
from analytics.pool.forms import BalanceForm
from analytics.pool.queries import balance
from analytics.standing.models import StandingProof
from crm.agents.access import Permission, Scope, requires
from crm.agents.actions import audit
from crm.shared.sheets import sheet_response
from crm.shared.times import corp_zone, local_day

TEMPLATE = "analytics/pool/pool.html"


@requires(Permission.ANALYTICS_VIEW, scope=Scope.CUSTOMER)
@require_GET
def pool(request: HttpRequest) -> HttpResponse:
    """The page: the answer in words, bars, every day by reason, coverage, the last proof."""
    now = timezone.now()
    form = BalanceForm(request.GET, today=local_day(now))
    question = form.question()
    query = form.query().urlencode()
    context = {"form": form, "query": query, "zone": corp_zone().key}
    if question is None:
        return TemplateResponse(request, TEMPLATE, context, status=422)
    answer = balance(question, user=request.user, now=now)
    addresses = tables.Addresses(form.query())
    context |= {
        "answer": answer,
        "finding": tables.finding(answer),
        "definition": definition_of(question),
        "heads": tables.heads(answer),
        "rows": tables.rows(answer, addresses),
        "total": tables.total_row(answer, addresses),
        "coverage": tables.coverage(answer, addresses),
        "chart": balance_chart(answer, addresses),
        "proof": StandingProof.objects.filter(finished_at__isnull=False).first(),
        "may_export": request.user.can(Permission.EXPORT),
    }
    return TemplateResponse(request, TEMPLATE, context)


@requires(Permission.EXPORT, scope=Scope.CUSTOMER, audit=True)
@require_GET
def export_pool(request: HttpRequest) -> HttpResponseBase:
    """The page's numbers as a file."""
    now = timezone.now()
    form = BalanceForm(request.GET, today=local_day(now))
    question = form.question()
    if question is None:
        context = {"form": form, "query": form.query().urlencode(), "zone": corp_zone().key}
        return TemplateResponse(request, TEMPLATE, context, status=422)
    answer = balance(question, user=request.user, now=now)
    audit(request.user, "pool.export", now=now, question=question.as_json())
    return sheet_response(
        f"pool-{question.pool}-{local_day(now)}",
        tables.file_header(answer),
        tables.file_rows(answer),
        kind=request.GET.get("format", ""),
    )
