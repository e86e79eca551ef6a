"""Where do we lose people? The funnel page, its file, and the people behind each number."""

from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from analytics.funnels import charts, tables
from analytics.funnels.actions import save_as_audience
from analytics.funnels.answer import Answer
from analytics.funnels.forms import CELL_PREFIX, FunnelForm, breakdown_label, figure_from
from analytics.funnels.queries import ask, event_labels, people_behind, people_page, saved_questions
from analytics.funnels.question import QuestionRefused
from crm.agents.access import Permission, Scope, requires
from crm.agents.actions import audit
from crm.customers.disclosure import EXPORT_HEADER, export_customers
from crm.customers.models import Customer
from crm.shared.errors import DomainError
from crm.shared.formatting import digits
from crm.shared.http import go, is_htmx
from crm.shared.sheets import csv_response, sheet_response
from crm.shared.times import corp_zone, local_day

CELLS_SHOWN = 100


@requires(Permission.ANALYTICS_VIEW, scope=Scope.CUSTOMER)
@require_GET
def funnel(request: HttpRequest) -> HttpResponse:
    """The page: an answer in words, the picture, the same numbers as a table."""
    form = _form(request.GET)
    answer = _answer(form, request)
    context = {
        "form": form,
        "query": form.query().urlencode(),
        "hidden": [(name, value) for name, vs in form.query().lists() for value in vs],
        "saved": saved_questions(request.user),
        "zone": corp_zone().key,
    }
    if answer:
        context |= _answer_context(form, answer) | {
            "may_export": request.user.can(Permission.EXPORT)
        }
    status = 200 if answer else 422
    return TemplateResponse(request, "analytics/funnels/funnel.html", context, status=status)


@requires(Permission.EXPORT, scope=Scope.CUSTOMER, audit=True)
@require_GET
def export_funnel(request: HttpRequest) -> HttpResponseBase:
    """The page's numbers as a file."""
    form = _form(request.GET)
    answer = _answer(form, request)
    if answer is None:
        return _refused(request, form)
    now = timezone.now()
    audit(request.user, "funnel.export", now=now, question=answer.question.as_json())
    name = f"funnel-{local_day(now)}"
    kind = request.GET.get("format", "")
    return sheet_response(name, tables.file_header(), tables.file_rows(answer), kind=kind)


@requires(Permission.ANALYTICS_VIEW, scope=Scope.CUSTOMER)
@require_GET
def funnel_people(request: HttpRequest) -> HttpResponse:
    """Exactly the people behind one number, in the side panel or on a page of their own."""
    return _people(request, request.GET)


@requires(Permission.AUDIENCE_SAVE, scope=Scope.CUSTOMER)
@require_POST
def save_audience(request: HttpRequest) -> HttpResponseBase:
    """Save the people behind one number as an audience."""
    form = _form(request.POST)
    question = form.question()
    if question is None:
        return _refused(request, form)
    try:
        audience = save_as_audience(
            question=question,
            figure=figure_from(request.POST),
            name=request.POST.get("name", ""),
            by=request.user,
            now=timezone.now(),
        )
    except DomainError as refusal:
        return _people(request, request.POST, refusal=str(refusal))
    return go(request, "crm:audiences:detail", audience_id=audience.pk)


@requires(Permission.EXPORT, scope=Scope.CUSTOMER, audit=True)
@require_GET
def export_people(request: HttpRequest) -> HttpResponseBase:
    """The people behind one number as a file, as masked as on the screen."""
    form = _form(request.GET)
    question = form.question()
    if question is None:
        return _refused(request, form)
    now = timezone.now()
    try:
        figure = figure_from(request.GET)
        ids = people_behind(question, figure, user=request.user)
        rows = export_customers(
            Customer.objects.for_user(request.user).filter(pk__in=ids),
            sort="name",
            by=request.user,
            now=now,
            action="funnel.export_people",
            question=question.as_json(),
        )
    except DomainError as refusal:
        return _people(request, request.GET, refusal=str(refusal))
    return csv_response(f"funnel-people-{local_day(now)}.csv", EXPORT_HEADER, rows)


def _form(params: QueryDict) -> FunnelForm:
    return FunnelForm(params, today=local_day(timezone.now()), events=event_labels())


def _answer(form: FunnelForm, request: HttpRequest) -> Answer | None:
    """The answer, or None with the reason on the form."""
    question = form.question()
    if question is None:
        return None
    try:
        return ask(question, user=request.user)
    except QuestionRefused as refusal:
        form.refuse(refusal)
    except DomainError as refusal:
        form.add_error(None, str(refusal))
    return None


def _answer_context(form: FunnelForm, answer: Answer) -> dict[str, Any]:
    people = f"{reverse('analytics:funnels:people')}?{form.query().urlencode()}"
    cells = tables.cell_rows(answer, people)
    return {
        "answer": answer,
        "people": people,
        "finding": tables.finding(answer),
        "comparison": tables.comparison_rows(answer),
        "rows": tables.step_rows(answer, people),
        "cells": cells[:CELLS_SHOWN],
        "cells_left": max(0, len(cells) - CELLS_SHOWN),
        "cell_title": breakdown_label(",".join(answer.question.breakdown)),
        "chart": charts.funnel_chart(
            answer.steps, lambda step, state: f"{people}&step={step}&state={state}"
        ),
    }


def _people(request: HttpRequest, params: QueryDict, *, refusal: str = "") -> HttpResponse:
    form = _form(params)
    question = form.question()
    if question is None:
        return _refused(request, form)
    try:
        figure = figure_from(params)
        page = people_page(question, figure, user=request.user, params=params)
    except DomainError as problem:
        form.add_error(None, str(problem))
        return _refused(request, form)
    pairs = [("step", str(figure.step)), ("state", figure.state)]
    pairs += [(CELL_PREFIX + name, key) for name, key in figure.cell]
    query = form.query()
    for name, value in pairs:
        query[name] = value
    count = ngettext("%(n)s 位客户", "%(n)s 位客户", page.total) % {"n": digits(page.total)}
    context = {
        "page": page,
        "count": count,
        "title": _figure_title(form, figure, question.order),
        "query": query.urlencode(),
        "funnel_query": form.query().urlencode(),
        "hidden": [(name, value) for name, values in query.lists() for value in values],
        "refusal": refusal,
        "may_save": request.user.can(Permission.AUDIENCE_SAVE),
        "may_export": request.user.can(Permission.EXPORT),
    }
    template = "_people.html" if is_htmx(request) else "people.html"
    status = 422 if refusal else 200
    return TemplateResponse(request, f"analytics/funnels/{template}", context, status=status)


def _figure_title(form: FunnelForm, figure: Any, order: str) -> str:
    events = [row.event for row in form.step_rows() if row.event]
    event = events[figure.step - 1]
    label = form.events.get(event, event)
    if order == "any":
        label = _("任意 %(n)s 步") % {"n": figure.step}
    state = {"reached": _("到达"), **charts.state_labels()}[figure.state]
    return " · ".join([f"{figure.step}. {label}", state, *(key for _name, key in figure.cell)])


def _refused(request: HttpRequest, form: FunnelForm) -> HttpResponse:
    context = {"form": form, "query": form.query().urlencode(), "zone": corp_zone().key}
    return TemplateResponse(request, "analytics/funnels/funnel.html", context, status=422)
