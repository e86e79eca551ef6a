"""Where do customers go after a step, and where did they come from? The page and its file."""

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
from analytics.paths import charts, tables
from analytics.paths.answer import PathAnswer
from analytics.paths.figures import NAME, definition_of
from analytics.paths.forms import PathForm
from analytics.paths.queries import ask
from crm.agents.access import Permission, Scope, requires
from crm.agents.actions import audit
from crm.shared.sheets import sheet_response
from crm.shared.times import corp_zone, local_day

TEMPLATE = "analytics/paths/paths.html"


@requires(Permission.ANALYTICS_VIEW, scope=Scope.CUSTOMER)
@require_GET
def paths(request: HttpRequest) -> HttpResponse:
    """The page: the answer in words, the bands, the ways and the whole paths."""
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
def export_paths(request: HttpRequest) -> HttpResponseBase:
    """The page's numbers as a file."""
    form = _form(request.GET)
    answer = asked_patiently(form, partial(ask, user=request.user))
    if answer is None:
        return TemplateResponse(request, TEMPLATE, _base(form), status=422)
    now = timezone.now()
    audit(request.user, "paths.export", now=now, question=answer.question.as_json())
    rows = tables.file_rows(answer, form.events)
    kind = request.GET.get("format", "")
    return sheet_response(f"paths-{local_day(now)}", tables.file_header(), rows, kind=kind)


def _form(params: QueryDict) -> PathForm:
    return PathForm(params, today=local_day(timezone.now()), events=event_labels())


def _base(form: PathForm) -> dict[str, Any]:
    return {"form": form, "query": form.query().urlencode(), "zone": corp_zone().key}


def _answer_context(form: PathForm, answer: PathAnswer) -> dict[str, Any]:
    people = f"{reverse('analytics:figures:people', args=[NAME])}?{form.query().urlencode()}"
    return {
        "answer": answer,
        "finding": tables.finding(answer, form.events),
        "definition": definition_of(answer.question),
        "told": tables.told(answer, form.events, people),
        "chart": charts.bands(
            answer, form.events, lambda way: f"{people}&{urlencode(tables.way_figure(way))}"
        ),
    }
