"""The review of a post to Moments: the page, what people write on it, its file and its API."""

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

from analytics.results import post_tables, tables
from analytics.results.click_tables import moment_click_definition, moment_click_rows
from analytics.results.comparing import DAYS
from analytics.results.figures import days_from
from analytics.results.forms import CostForm, LessonForm
from analytics.results.moment_before import moment_before
from analytics.results.moment_reviews import (
    MomentReview,
    moment_file_rows,
    moment_review,
    moment_rule,
)
from analytics.results.post_figures import AFTER_MOMENT, moment_definition
from crm.agents.access import Permission, Policy, Scope, requires
from crm.agents.actions import audit
from crm.agents.models import User
from crm.moments.models import Moment
from crm.reviews import actions as reviewing
from crm.shared.errors import DomainError
from crm.shared.http import row_number
from crm.shared.sheets import sheet_response
from crm.shared.times import local_day

TEMPLATE = "analytics/results/moment_review.html"
STEPS = ("cost", "uncost", "lesson")


@requires(Permission.ANALYTICS_VIEW, scope=Scope.MOMENT)
@require_GET
def review_moment(request: HttpRequest, moment_id: int) -> HttpResponse:
    """Plan, viewers, clicks, deletions, costs, lessons; and the way to the next one."""
    return _page(request, _moment(request.user, moment_id))


@requires(Permission.MOMENT_SCHEDULE, scope=Scope.MOMENT)
@require_POST
def note_cost(request: HttpRequest, moment_id: int) -> HttpResponseBase:
    """Write a line of costs down."""
    moment, form = _moment(request.user, moment_id), CostForm(request.POST)
    if form.is_valid():
        try:
            line = form.line()
            reviewing.note_cost(of=moment, line=line, by=request.user, now=timezone.now())
        except reviewing.ReviewRefused as refusal:
            form.add_error(refusal.field, str(refusal))
        else:
            return _back(moment_id)
    return _page(request, moment, cost_form=form, status=422)


@requires(Permission.MOMENT_SCHEDULE, scope=Scope.MOMENT)
@require_POST
def drop_cost(request: HttpRequest, moment_id: int) -> HttpResponseBase:
    """Take a line of costs back."""
    cost = row_number(request.POST.get("cost")) or 0
    moment = _moment(request.user, moment_id)
    reviewing.drop_cost(of=moment, cost_id=cost, by=request.user, now=timezone.now())
    return _back(moment_id)


@requires(Permission.MOMENT_SCHEDULE, scope=Scope.MOMENT)
@require_POST
def note_lesson(request: HttpRequest, moment_id: int) -> HttpResponseBase:
    """Write down what was learned."""
    moment, form = _moment(request.user, moment_id), LessonForm(request.POST)
    if form.is_valid():
        text = form.cleaned_data["text"]
        reviewing.note_lesson(of=moment, text=text, by=request.user, now=timezone.now())
        return _back(moment_id)
    return _page(request, moment, lesson_form=form, status=422)


@requires(Permission.MOMENT_SCHEDULE, scope=Scope.MOMENT)
@require_POST
def start_next(request: HttpRequest, moment_id: int) -> HttpResponseBase:
    """Begin the next post from this one."""
    moment = _moment(request.user, moment_id)
    try:
        made = reviewing.start_next_moment(moment=moment, by=request.user, now=timezone.now())
    except DomainError as refusal:
        messages.error(request, str(refusal))
        return _back(moment_id)
    return redirect("crm:moments:edit", made.pk)


@requires(Permission.EXPORT, scope=Scope.MOMENT, audit=True)
@require_GET
def export_review(request: HttpRequest, moment_id: int) -> HttpResponseBase:
    """The page's numbers as a file."""
    moment, now = _moment(request.user, moment_id), timezone.now()
    found = moment_review(moment, days=days_from(request.GET), user=request.user, now=now)
    audit(request.user, "review.export", moment, now=now, days=found.days)
    return sheet_response(
        f"moment-{moment_id}-review-{local_day(now)}",
        [_("部分"), _("项目"), _("数值"), _("说明")],
        moment_file_rows(found),
        kind=request.GET.get("format", ""),
    )


class MomentReviewView(APIView):
    """A post with what followed, what it cost and what was learned; money in cents."""

    policy = Policy(Permission.API_FIGURES, Scope.MOMENT)

    @extend_schema(
        operation_id="moment_review",
        responses={200: OpenApiTypes.OBJECT, 404: None},
        parameters=[OpenApiParameter("days", int, enum=list(DAYS))],
    )
    def get(self, request: Request, moment_id: int) -> Response:
        """Within what the account may see."""
        moment = Moment.objects.for_user(request.user).filter(pk=moment_id).first()
        if moment is None:
            raise Http404
        days = days_from(request.query_params)
        found = moment_review(moment, days=days, user=request.user, now=timezone.now())
        return Response(found.as_json())


def _page(
    request: HttpRequest,
    moment: Moment,
    *,
    cost_form: CostForm | None = None,
    lesson_form: LessonForm | None = None,
    status: int = 200,
) -> HttpResponse:
    user, now = request.user, timezone.now()
    found = moment_review(moment, days=days_from(request.GET), user=user, now=now)
    context = _context(found) | {
        "before": moment_before(found, user=user),
        "cost_form": cost_form or CostForm(),
        "lesson_form": lesson_form or LessonForm(),
        "days_offered": DAYS,
        "data_time": now,
        "steps": {
            step: reverse(f"analytics:results:moment_{step}", args=[moment.pk]) for step in STEPS
        },
        "may_plan": user.can(Permission.MOMENT_SCHEDULE),
        "may_export": user.can(Permission.EXPORT),
    }
    return TemplateResponse(request, TEMPLATE, context, status=status)


def _context(found: MomentReview) -> dict[str, Any]:
    moment, days = found.moment, found.days
    compared = tables.comparison_context(found.compared) if found.compared else {}
    return compared | {
        "review": found,
        "moment": moment,
        "days": days,
        "tags": moment.tags.order_by("name"),
        "people_url": reverse("crm:moments:people", args=[moment.pk]),
        "viewers": post_tables.viewer_rows(moment, found.viewers, days),
        "viewers_definition": moment_definition(days),
        "net_cents": found.money_cents,
        "rule": moment_rule(days),
        "costs_each": [
            (_("每位能看到的客户"), found.cost_per(found.people("visible"))),
            (_("每位下单"), found.cost_per(found.orders)),
        ],
        "deletions": tables.after_rows(found.after, AFTER_MOMENT, moment=moment.pk),
        "excess": found.excess,
        "together": post_tables.moment_together(found.excess, moment),
        "clicks": moment_click_rows(found.links, moment, days),
        "click_definition": moment_click_definition(days),
    }


def _moment(user: User, moment_id: int) -> Moment:
    seen = Moment.objects.for_user(user).select_related(
        "created_by__agent", "approved_by__agent", "trial"
    )
    return get_object_or_404(seen, pk=moment_id)


def _back(moment_id: int) -> HttpResponseBase:
    return redirect("analytics:results:moment_review", moment_id)
