"""Pages of jobs: the list, cancelling, row reports, and the badge in the top bar."""

from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from crm.agents.access import Permission, Scope, requires
from crm.jobs import actions, queries
from crm.jobs.models import Job
from crm.jobs.reports import report_path
from crm.shared.errors import DomainError
from crm.shared.http import STOP_POLLING, go, safe_next
from crm.shared.paging import keyset_page


@requires(Permission.JOB_VIEW, scope=Scope.OWN)
@require_safe
def job_list(request: HttpRequest) -> HttpResponse:
    """All jobs that the user may know of, newest first."""
    return TemplateResponse(request, "crm/jobs/list.html", _context(request))


@requires(Permission.JOB_VIEW, scope=Scope.OWN)
@require_safe
def job_rows(request: HttpRequest) -> HttpResponse:
    """The rows alone, asked for again and again while something runs."""
    context = _context(request)
    status = 200 if context["is_moving"] else STOP_POLLING
    return TemplateResponse(request, "crm/jobs/_rows.html", context, status=status)


def _context(request: HttpRequest) -> dict:
    jobs = Job.objects.for_user(request.user).select_related("owner", "owner__agent")
    page = keyset_page(jobs, order=("-id",), params=request.GET)
    rows = queries.job_rows(page.rows, request.user)
    moving = any(job.is_unfinished for job in page.rows)
    query = request.GET.urlencode()
    poll_url = reverse("crm:jobs:rows") + (f"?{query}" if query else "")
    return {"page": page, "rows": rows, "is_moving": moving, "poll_url": poll_url}


@requires(Permission.JOB_VIEW, scope=Scope.OWN)
@require_safe
def job_badge(request: HttpRequest) -> HttpResponse:
    """The top bar's link to jobs, with the number of unfinished ones."""
    context = {"url": reverse("crm:jobs:list"), "running": queries.unfinished_count(request.user)}
    return TemplateResponse(request, "components/jobs_badge.html", context)


@requires(Permission.JOB_VIEW, scope=Scope.OWN)
@require_POST
def cancel_job(request: HttpRequest, job_id: int) -> HttpResponseBase:
    """Stop an own job."""
    job = _own_job(request, job_id)
    try:
        actions.cancel_job(job=job, by=request.user, now=timezone.now())
        messages.success(request, _("正在取消"))
    except DomainError as refusal:
        messages.error(request, str(refusal))
    return go(request, safe_next(request, reverse("crm:jobs:list")))


@requires(Permission.JOB_VIEW, scope=Scope.OWN)
@require_safe
def job_report(request: HttpRequest, job_id: int) -> HttpResponseBase:
    """The row report, for its owner and for a day."""
    job = _own_job(request, job_id)
    path = report_path(job)
    if path is None:
        raise Http404
    response = FileResponse(
        path.open("rb"),
        as_attachment=True,
        filename=f"changke-rows-{job.pk}.csv",
        content_type="text/csv; charset=utf-8",
    )
    response["Cache-Control"] = "no-store"
    return response


def _own_job(request: HttpRequest, job_id: int) -> Job:
    return get_object_or_404(Job.objects.for_user(request.user).owned_by(request.user), pk=job_id)
