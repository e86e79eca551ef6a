"""The review of a send: the page, what people write on it, its file, its answer to others."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analytics.results import tables
from analytics.results.before import before
from analytics.results.click_tables import click_definition, click_rows
from analytics.results.comparing import DAYS
from analytics.results.figures import DELETIONS, days_from
from analytics.results.forms import CostForm, LessonForm
from analytics.results.judging import Judgement, judge
from analytics.results.looking import looking_words
from analytics.results.reviews import Review, definition, file_rows, review
from crm.agents.access import Permission, Policy, Scope, requires
from crm.agents.actions import audit
from crm.agents.models import User
from crm.outreach.models import MassSend
from crm.reviews import actions as reviewing
from crm.shared.errors import DomainError
from crm.shared.http import row_number
from crm.shared.sheets import sheet_response
from crm.shared.times import local_day

TEMPLATE = "analytics/results/review.html"
STEPS = ("cost", "uncost", "lesson")


@requires(Permission.ANALYTICS_VIEW, scope=Scope.SEND)
@require_GET
def send_review(request: HttpRequest, send_id: int) -> HttpResponse:
    """Plan, people, answers, clicks, orders, costs, lessons; and the way to the next one."""
    return _page(request, send_id)


@requires(Permission.SEND_PLAN, scope=Scope.SEND)
@require_POST
def note_cost(request: HttpRequest, send_id: int) -> HttpResponseBase:
    """Write a line of costs down."""
    send, form = _send(request.user, send_id), CostForm(request.POST)
    if form.is_valid():
        try:
            line = form.line()
            reviewing.note_cost(of=send, line=line, by=request.user, now=timezone.now())
        except reviewing.ReviewRefused as refusal:
            form.add_error(refusal.field, str(refusal))
        else:
            return _back(send_id)
    return _page(request, send_id, cost_form=form, status=422)


@requires(Permission.SEND_PLAN, scope=Scope.SEND)
@require_POST
def drop_cost(request: HttpRequest, send_id: int) -> HttpResponseBase:
    """Take a line of costs back."""
    cost = row_number(request.POST.get("cost")) or 0
    send = _send(request.user, send_id)
    reviewing.drop_cost(of=send, cost_id=cost, by=request.user, now=timezone.now())
    return _back(send_id)


@requires(Permission.SEND_PLAN, scope=Scope.SEND)
@require_POST
def note_lesson(request: HttpRequest, send_id: int) -> HttpResponseBase:
    """Write down what was learned."""
    send, form = _send(request.user, send_id), LessonForm(request.POST)
    if form.is_valid():
        text = form.cleaned_data["text"]
        reviewing.note_lesson(of=send, text=text, by=request.user, now=timezone.now())
        return _back(send_id)
    return _page(request, send_id, lesson_form=form, status=422)


@requires(Permission.SEND_PLAN, scope=Scope.SEND)
@require_POST
def start_next(request: HttpRequest, send_id: int) -> HttpResponseBase:
    """Begin the next plan from this one."""
    send = _send(request.user, send_id)
    try:
        made = reviewing.start_next(send=send, by=request.user, now=timezone.now())
    except DomainError as refusal:
        messages.error(request, str(refusal))
        return _back(send_id)
    return redirect("crm:outreach:edit", made.pk)


@requires(Permission.EXPORT, scope=Scope.SEND, audit=True)
@require_GET
def export_review(request: HttpRequest, send_id: int) -> HttpResponseBase:
    """The page's numbers as a file."""
    found = review(_judged(request.user, send_id, request.GET), user=request.user)
    now = timezone.now()
    audit(request.user, "review.export", found.found.send, now=now, days=found.found.days)
    return sheet_response(
        f"send-{send_id}-review-{local_day(now)}",
        [_("部分"), _("项目"), _("数值"), _("说明")],
        file_rows(found),
        kind=request.GET.get("format", ""),
    )


class ReviewView(APIView):
    """A send with what came of it, what it cost and what was learned; money in cents."""

    policy = Policy(Permission.API_FIGURES, Scope.SEND)

    @extend_schema(
        operation_id="send_review",
        responses={200: OpenApiTypes.OBJECT, 404: None},
        parameters=[OpenApiParameter("days", int, enum=list(DAYS))],
    )
    def get(self, request: Request, send_id: int) -> Response:
        """Within what the account may see."""
        found = _judged(request.user, send_id, request.query_params)
        return Response(review(found, user=request.user).as_json())


def _page(
    request: HttpRequest,
    send_id: int,
    *,
    cost_form: CostForm | None = None,
    lesson_form: LessonForm | None = None,
    status: int = 200,
) -> HttpResponse:
    found = review(_judged(request.user, send_id, request.GET), user=request.user)
    context = _context(found) | {
        "before": before(found, user=request.user),
        "cost_form": cost_form or CostForm(),
        "lesson_form": lesson_form or LessonForm(),
        "days_offered": DAYS,
        "steps": {step: reverse(f"analytics:results:{step}", args=[send_id]) for step in STEPS},
        "may_plan": request.user.can(Permission.SEND_PLAN),
        "may_export": request.user.can(Permission.EXPORT),
    }
    return TemplateResponse(request, TEMPLATE, context, status=status)


def _context(found: Review) -> dict[str, Any]:
    send = found.found.send
    return {
        "review": found,
        "found": found.found,
        "send": send,
        "rows": tables.rows(found.found),
        "looking": looking_words(found.found.report, found.found.looking),
        "recipients": tables.tally_numbers(send, found.tally),
        "costs_each": [
            (_("每位送达"), found.cost_per(found.tally.received)),
            (_("每位下单"), found.cost_per(found.orders)),
        ],
        "deletions": tables.after_rows(found.after, DELETIONS, send=send.pk),
        "together": tables.together_number(found.excess, send),
        "clicks": click_rows(found.links, send, found.found.days),
        "click_definition": click_definition(found.found.days),
        "definition": definition(),
    }


def _send(user: User, send_id: int) -> MassSend:
    seen = MassSend.objects.for_user(user).filter(target=MassSend.Target.CUSTOMERS)
    return get_object_or_404(seen, pk=send_id)


def _judged(user: User, send_id: int, params: Any) -> Judgement:
    seen = MassSend.objects.for_user(user).filter(target=MassSend.Target.CUSTOMERS)
    send = seen.select_related("audience", "created_by__agent", "approved_by__agent")
    row = send.filter(pk=send_id).first()
    if row is None:
        raise Http404
    return judge(row, days=days_from(params), user=user, now=timezone.now())


def _back(send_id: int) -> HttpResponseBase:
    return redirect("analytics:results:review", send_id)
