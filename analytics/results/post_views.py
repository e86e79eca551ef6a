"""What followed posts to Moments: accounts, one moment, and the file."""

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from analytics.results import post_tables, tables
from analytics.results.aftermath import aftermath
from analytics.results.figures import days_from
from analytics.results.judging import DAYS
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


@requires(Permission.ANALYTICS_VIEW, scope=Scope.MOMENT)
@require_GET
def moment_results(request: HttpRequest, moment_id: int) -> HttpResponse:
    """Reach, reactions, what viewers did afterwards, and deletions by account."""
    moment = get_object_or_404(Moment.objects.for_user(request.user), pk=moment_id)
    days = days_from(request.GET)
    found = viewers(moment, days=days, user=request.user)
    after = aftermath(task_starts(moment, request.user), request.user)
    context = {
        "moment": moment,
        "days": days,
        "days_offered": DAYS,
        "rows": post_tables.viewer_rows(moment, found, days),
        "net_cents": found.net_cents,
        "deletions": tables.after_rows(after, AFTER_MOMENT, moment=moment.pk),
        "definition": moment_definition(days),
        "data_time": timezone.now(),
    }
    return TemplateResponse(request, "analytics/results/moment.html", context)
