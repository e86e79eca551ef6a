"""Where do we lose people? The funnel page and its file."""

from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from analytics.funnels import charts, figures, tables
from analytics.funnels.answer import Answer
from analytics.funnels.asking import asked_by_page, asked_patiently
from analytics.funnels.forms import FunnelForm, breakdown_label
from analytics.funnels.queries import ask, event_labels, saved_questions
from crm.agents.access import Permission, Scope, requires
from crm.agents.actions import audit
from crm.shared.sheets import sheet_response
from crm.shared.times import corp_zone, local_day

CELLS_SHOWN = 100


@requires(Permission.ANALYTICS_VIEW, scope=Scope.CUSTOMER)
@require_GET
def funnel(request: HttpRequest) -> HttpResponse:
    """The page: an answer in words, the picture, the same numbers as a table."""
    form = _form(request.GET)
    asked = asked_by_page(form, request, partial(ask, user=request.user, keep=True))
    answer = asked.answer
    context = {
        "form": form,
        "ticket": asked.ticket,
        "query": form.query().urlencode(),
        "hidden": [(name, value) for name, vs in form.query().lists() for value in vs],
        "saved": saved_questions(request.user),
        "zone": corp_zone().key,
    }
    if answer:
        context |= _answer_context(form, answer) | {
            "may_export": request.user.can(Permission.EXPORT)
        }
    template = "analytics/funnels/funnel.html"
    return TemplateResponse(request, template, context, status=asked.status)


@requires(Permission.EXPORT, scope=Scope.CUSTOMER, audit=True)
@require_GET
def export_funnel(request: HttpRequest) -> HttpResponseBase:
    """The page's numbers as a file."""
    form = _form(request.GET)
    answer = asked_patiently(form, partial(ask, user=request.user))
    if answer is None:
        return _refused(request, form)
    now = timezone.now()
    audit(request.user, "funnel.export", now=now, question=answer.question.as_json())
    name = f"funnel-{local_day(now)}"
    kind = request.GET.get("format", "")
    return sheet_response(name, tables.file_header(), tables.file_rows(answer), kind=kind)


def _form(params: QueryDict) -> FunnelForm:
    return FunnelForm(params, today=local_day(timezone.now()), events=event_labels())


def _answer_context(form: FunnelForm, answer: Answer) -> dict[str, Any]:
    query = form.query()
    if answer.token:
        query[figures.KEPT] = answer.token
    people = f"{reverse('analytics:figures:people', args=[figures.NAME])}?{query.urlencode()}"
    before = f"{reverse('analytics:figures:people', args=[figures.NAME])}?{_before(form, answer)}"
    cells = tables.cell_rows(answer, people)
    return {
        "answer": answer,
        "meaning": figures.definition(),
        "finding": tables.finding(answer),
        "comparison": tables.comparison_rows(answer, people, before),
        "rows": tables.step_rows(answer, people),
        "cells": cells[:CELLS_SHOWN],
        "cells_left": max(0, len(cells) - CELLS_SHOWN),
        "cell_title": breakdown_label(",".join(answer.question.breakdown)),
        "chart": charts.funnel_chart(
            answer.steps, lambda step, state: f"{people}&step={step}&state={state}"
        ),
    }


def _before(form: FunnelForm, answer: Answer) -> str:
    """The question of the period before, read at the same age, as a query string."""
    if answer.previous is None:
        return ""
    query, asked = form.query(), answer.previous.question.as_json()
    query.pop("compare", None)
    for name in ("from", "to", "as_of"):
        query[name] = asked[name]
    return query.urlencode()


def _refused(request: HttpRequest, form: FunnelForm) -> HttpResponse:
    context = {"form": form, "query": form.query().urlencode(), "zone": corp_zone().key}
    return TemplateResponse(request, "analytics/funnels/funnel.html", context, status=422)
