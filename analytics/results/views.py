"""What did the send earn, and what did it cost? The page and its file."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from analytics.results import tables
from analytics.results.aftermath import aftermath
from analytics.results.figures import DELETIONS, days_from, definition, starts_of
from analytics.results.judging import DAYS, Judgement, judge
from analytics.results.outcomes import LABELS, YES_OR_NO
from crm.agents.access import Permission, Scope, requires
from crm.agents.actions import audit
from crm.outreach.models import MassSend
from crm.shared.sheets import sheet_response
from crm.shared.times import local_day


@requires(Permission.ANALYTICS_VIEW, scope=Scope.SEND)
@require_GET
def send_results(request: HttpRequest, send_id: int) -> HttpResponse:
    """Arms side by side, what blurs them, and deletions by account."""
    found = _judged(request, send_id)
    context = {
        "send": found.send,
        "found": found,
        "status": found.report.status,
        "days_offered": DAYS,
        "rows": tables.rows(found),
        "arms": [
            tables.arm_number(found, arm)
            for arm in ("treated", "control")
            if arm == "treated" or found.has_control
        ],
        "layers": tables.layer_rows(found),
        "layer_heads": [LABELS[outcome] for outcome in YES_OR_NO],
        "definition": definition(found.days),
        "deletions": _deletions(request, found),
        "may_export": request.user.can(Permission.EXPORT),
    }
    return TemplateResponse(request, "analytics/results/send.html", context)


def _deletions(request: HttpRequest, found: Judgement) -> list[Any]:
    return tables.after_rows(
        aftermath(starts_of(found.send), request.user), DELETIONS, send=found.send.pk
    )


@requires(Permission.EXPORT, scope=Scope.SEND, audit=True)
@require_GET
def export_results(request: HttpRequest, send_id: int) -> HttpResponseBase:
    """The comparison as a file."""
    found = _judged(request, send_id)
    now = timezone.now()
    audit(request.user, "results.export", found.send, now=now, days=found.days)
    kind = request.GET.get("format", "")
    name = f"send-{found.send.pk}-results-{local_day(now)}"
    return sheet_response(name, tables.file_header(), tables.file_rows(found), kind=kind)


def _judged(request: HttpRequest, send_id: int) -> Judgement:
    seen = MassSend.objects.for_user(request.user).filter(target=MassSend.Target.CUSTOMERS)
    send = get_object_or_404(seen, pk=send_id)
    return judge(send, days=days_from(request.GET), user=request.user, now=timezone.now())
