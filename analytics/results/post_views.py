"""What followed posts to Moments: accounts, one moment, and the file."""

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from analytics.results import post_tables, tables
from analytics.results.aftermath import aftermath, together
from analytics.results.comparing import DAYS
from analytics.results.figures import days_from
from analytics.results.moment_judging import judge_moment
from analytics.results.post_figures import (
    AFTER_MOMENT,
    account_definition,
    moment_definition,
    range_from,
    task_starts,
)
from analytics.results.posts import RANGES, accounts, viewers
from crm.agents.access import Permission, Scope, requires
from crm.agents.actions import audit
from crm.moments.models import Moment
from crm.shared.sheets import sheet_response
from crm.shared.times import local_day


@requires(Permission.ANALYTICS_VIEW, scope=Scope.AGENT)
@require_GET
def posts(request: HttpRequest) -> HttpResponse:
    """Accounts whose posts are followed by more deletions than usual."""
    now, days = timezone.now(), range_from(request.GET)
    found = accounts(request.user, days=days, now=now)
    context = {
        "range": days,
        "ranges": RANGES,
        "accounts": post_tables.account_rows(found, days),
        "warned": [row.agent for row in found if row.is_warned],
        "risky": post_tables.risky_rows(found, days),
        "definition": account_definition(days),
        "data_time": now,
        "may_export": request.user.can(Permission.EXPORT),
    }
    return TemplateResponse(request, "analytics/results/posts.html", context)


@requires(Permission.EXPORT, scope=Scope.AGENT, audit=True)
@require_GET
def export_posts(request: HttpRequest) -> HttpResponseBase:
    """Every post with what followed, as a file."""
    now, days = timezone.now(), range_from(request.GET)
    found = accounts(request.user, days=days, now=now)
    audit(request.user, "posts.export", now=now, range=days)
    kind = request.GET.get("format", "")
    rows = post_tables.file_rows(found)
    return sheet_response(f"posts-{local_day(now)}", post_tables.file_header(), rows, kind=kind)


@requires(Permission.EXPORT, scope=Scope.MOMENT, audit=True)
@require_GET
def export_moment(request: HttpRequest, moment_id: int) -> HttpResponseBase:
    """The comparison as a file; only its heading where no control was drawn."""
    moment = get_object_or_404(Moment.objects.for_user(request.user), pk=moment_id)
    now, days = timezone.now(), days_from(request.GET)
    found = judge_moment(moment, days=days, user=request.user, now=now)
    audit(request.user, "results.export", moment, now=now, days=days)
    rows = tables.file_rows(found) if found else []
    kind = request.GET.get("format", "")
    name = f"moment-{moment.pk}-results-{local_day(now)}"
    return sheet_response(name, tables.file_header(), rows, kind=kind)


@requires(Permission.ANALYTICS_VIEW, scope=Scope.MOMENT)
@require_GET
def moment_results(request: HttpRequest, moment_id: int) -> HttpResponse:
    """Reach, reactions, what viewers did afterwards, and deletions by account."""
    moment = get_object_or_404(Moment.objects.for_user(request.user), pk=moment_id)
    days = days_from(request.GET)
    found = viewers(moment, days=days, user=request.user)
    after = aftermath(task_starts(moment, request.user), request.user)
    excess = together(after)
    compared = judge_moment(moment, days=days, user=request.user, now=timezone.now())
    context = {
        "moment": moment,
        "days": days,
        "days_offered": DAYS,
        "viewers": post_tables.viewer_rows(moment, found, days),
        "viewers_definition": moment_definition(days),
        "net_cents": found.net_cents,
        "deletions": tables.after_rows(after, AFTER_MOMENT, moment=moment.pk),
        "excess": excess,
        "together": post_tables.moment_together(excess, moment),
        "data_time": timezone.now(),
        "may_export": request.user.can(Permission.EXPORT),
    } | (tables.comparison_context(compared) if compared else {})
    return TemplateResponse(request, "analytics/results/moment.html", context)
