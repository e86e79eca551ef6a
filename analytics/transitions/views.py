"""Who moved from which stage to which? The transition page and its file."""

from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from analytics.funnels.asking import asked_by_page, asked_patiently
from analytics.funnels.queries import event_labels
from analytics.transitions import charts, tables
from analytics.transitions.answer import TransitionAnswer
from analytics.transitions.figures import NAME, definition_of
from analytics.transitions.forms import TransitionForm
from analytics.transitions.queries import ask
from crm.agents.access import Permission, Scope, requires
from crm.agents.actions import audit
from crm.shared.sheets import sheet_response
from crm.shared.times import corp_zone, local_day

TEMPLATE = "analytics/transitions/transitions.html"


@requires(Permission.ANALYTICS_VIEW, scope=Scope.CUSTOMER)
@require_GET
def transitions(request: HttpRequest) -> HttpResponse:
    """The page: the answer in words, the bars, the matrix."""
    form = _form(request.GET)
    asked = asked_by_page(form, request, partial(ask, user=request.user))
    answer = asked.answer
    context = _base(form) | {"ticket": asked.ticket}
    if answer:
        context |= _answer_context(form, answer)
        context["may_export"] = request.user.can(Permission.EXPORT)
    return TemplateResponse(request, TEMPLATE, context, status=asked.status)


@requires(Permission.EXPORT, scope=Scope.CUSTOMER, audit=True)
@require_GET
def export_transitions(request: HttpRequest) -> HttpResponseBase:
    """The page's numbers as a file."""
    form = _form(request.GET)
    answer = asked_patiently(form, partial(ask, user=request.user))
    if answer is None:
        return TemplateResponse(request, TEMPLATE, _base(form), status=422)
    now = timezone.now()
    audit(request.user, "transitions.export", now=now, question=answer.question.as_json())
    kind = request.GET.get("format", "")
    name = f"transitions-{local_day(now)}"
    return sheet_response(name, tables.file_header(), tables.file_rows(answer), kind=kind)


def _form(params: QueryDict) -> TransitionForm:
    return TransitionForm(params, today=local_day(timezone.now()), events=event_labels())


def _base(form: TransitionForm) -> dict[str, Any]:
    return {"form": form, "query": form.query().urlencode(), "zone": corp_zone().key}


def _answer_context(form: TransitionForm, answer: TransitionAnswer) -> dict[str, Any]:
    people = f"{reverse('analytics:figures:people', args=[NAME])}?{form.query().urlencode()}"
    stages = answer.question.stages
    matrix = tables.matrix(answer, people)

    def link(before: int, after: int) -> str:
        return f"{people}&{urlencode({'was': stages[before], 'became': stages[after]})}"

    return {
        "answer": answer,
        "finding": tables.finding(answer),
        "definition": definition_of(answer.question),
        "matrix": matrix,
        "chart": charts.bars(answer, matrix.heads, link),
    }
