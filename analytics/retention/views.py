"""Do customers come back? The retention page and its file."""

from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from analytics.funnels.asking import asked_by_page, asked_patiently
from analytics.funnels.queries import event_labels
from analytics.retention import charts, tables
from analytics.retention.answer import RetentionAnswer
from analytics.retention.figures import NAME, definition_of, step_words
from analytics.retention.forms import RetentionForm
from analytics.retention.queries import ask
from crm.agents.access import Permission, Scope, requires
from crm.agents.actions import audit
from crm.shared.sheets import sheet_response
from crm.shared.times import corp_zone, local_day

COHORTS_SHOWN = 60


@requires(Permission.ANALYTICS_VIEW, scope=Scope.CUSTOMER)
@require_GET
def retention(request: HttpRequest) -> HttpResponse:
    """The page: the answer in words, the curve, the table of cohorts."""
    form = _form(request.GET)
    asked = asked_by_page(form, request, partial(ask, user=request.user))
    answer = asked.answer
    context = {
        "form": form,
        "query": form.query().urlencode(),
        "zone": corp_zone().key,
        "ticket": asked.ticket,
    }
    if answer:
        context |= _answer_context(form, answer)
        context["may_export"] = request.user.can(Permission.EXPORT)
    return TemplateResponse(
        request, "analytics/retention/retention.html", context, status=asked.status
    )


@requires(Permission.EXPORT, scope=Scope.CUSTOMER, audit=True)
@require_GET
def export_retention(request: HttpRequest) -> HttpResponseBase:
    """The page's numbers as a file."""
    form = _form(request.GET)
    answer = asked_patiently(form, partial(ask, user=request.user))
    if answer is None:
        context = {"form": form, "query": form.query().urlencode(), "zone": corp_zone().key}
        return TemplateResponse(request, "analytics/retention/retention.html", context, status=422)
    now = timezone.now()
    audit(request.user, "retention.export", now=now, question=answer.question.as_json())
    kind = request.GET.get("format", "")
    name = f"retention-{local_day(now)}"
    return sheet_response(name, tables.file_header(), tables.file_rows(answer), kind=kind)


def _form(params: QueryDict) -> RetentionForm:
    return RetentionForm(params, today=local_day(timezone.now()), events=event_labels())


def _answer_context(form: RetentionForm, answer: RetentionAnswer) -> dict[str, Any]:
    query = form.query().urlencode()
    people = f"{reverse('analytics:figures:people', args=[NAME])}?{query}"
    heads, rows = tables.heads(answer), tables.rows(answer, people)
    return {
        "answer": answer,
        "asked": f"{step_words(answer.question.birth)} → {step_words(answer.question.comes_back)}",
        "finding": tables.finding(answer),
        "definition": definition_of(answer.question),
        "heads": heads,
        "rows": rows[: COHORTS_SHOWN + 1],
        "rows_left": max(0, len(rows) - COHORTS_SHOWN - 1),
        "chart": charts.curve(
            heads, answer.totals, lambda period: f"{people}&state=returned&at={period}"
        ),
    }
