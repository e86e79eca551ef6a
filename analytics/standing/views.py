"""How far does the standard journey go? The page and its file."""

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from analytics.standing import tables
from analytics.standing.figures import NAME, definition, step_labels
from analytics.standing.forms import JourneyForm
from analytics.standing.queries import journey as read_journey
from crm.agents.access import Permission, Scope, requires
from crm.agents.actions import audit
from crm.shared.sheets import sheet_response
from crm.shared.times import corp_zone, local_day

TEMPLATE = "analytics/standing/journey.html"
ROWS_SHOWN = 100


@requires(Permission.ANALYTICS_VIEW, scope=Scope.CUSTOMER)
@require_GET
def journey(request: HttpRequest) -> HttpResponse:
    """The page: the answer in words, the bars, the rows."""
    now = timezone.now()
    form = JourneyForm(request.GET, today=local_day(now))
    question = form.question()
    query = form.query().urlencode()
    context = {"form": form, "query": query, "zone": corp_zone().key}
    if question is None:
        return TemplateResponse(request, TEMPLATE, context, status=422)
    answer = read_journey(question, user=request.user, now=now)
    people = f"{reverse('analytics:figures:people', args=[NAME])}?{query}"
    context |= {
        "answer": answer,
        "finding": tables.finding(answer),
        "definition": definition(),
        "heads": step_labels(),
        "rows": tables.rows(answer, people, at_most=ROWS_SHOWN),
        "rows_left": max(0, len(answer.cells) - ROWS_SHOWN),
        "chart": tables.chart(answer, people),
        "may_export": request.user.can(Permission.EXPORT),
    }
    return TemplateResponse(request, TEMPLATE, context)


@requires(Permission.EXPORT, scope=Scope.CUSTOMER, audit=True)
@require_GET
def export_journey(request: HttpRequest) -> HttpResponseBase:
    """The page's numbers as a file."""
    now = timezone.now()
    form = JourneyForm(request.GET, today=local_day(now))
    question = form.question()
    if question is None:
        context = {"form": form, "query": form.query().urlencode(), "zone": corp_zone().key}
        return TemplateResponse(request, TEMPLATE, context, status=422)
    answer = read_journey(question, user=request.user, now=now)
    audit(request.user, "journey.export", now=now, question=question.as_json())
    return sheet_response(
        f"journey-{local_day(now)}",
        tables.file_header(),
        tables.file_rows(answer),
        kind=request.GET.get("format", ""),
    )
