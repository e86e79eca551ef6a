"""What did the send earn, and what did it cost? The page and its file."""

from itertools import chain
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from analytics.results import tables
from analytics.results.aftermath import aftermath, together
from analytics.results.click_tables import click_definition, click_rows, file_lines
from analytics.results.clicks import LinkRow, clicks
from analytics.results.comparing import DAYS
from analytics.results.figures import DELETIONS, days_from, starts_of
from analytics.results.group_pages import export_groups, group_results
from analytics.results.judging import Judgement, judge
from analytics.results.outcomes import LABELS, YES_OR_NO
from crm.agents.access import Permission, Scope, requires
from crm.agents.actions import audit
from crm.outreach.models import MassSend
from crm.shared.sheets import sheet_response
from crm.shared.times import local_day


@requires(Permission.ANALYTICS_VIEW, scope=Scope.SEND)
@require_GET
def send_results(request: HttpRequest, send_id: int) -> HttpResponse:
    """Arms side by side, what blurs them, and deletions by account; or group by group."""
    send = _send(request, send_id)
    if send.is_to_groups:
        return group_results(request, send)
    found = _judged(request, send)
    context = {
        "send": found.send,
        "days_offered": DAYS,
        "layers": tables.layer_rows(found),
        "layer_heads": [LABELS[outcome] for outcome in YES_OR_NO],
        **_deletions(request, found),
        "clicks": click_rows(_clicks(request, found), found.send, found.days),
        "click_definition": click_definition(found.days),
        "blur": tables.blur_numbers(found),
        "may_export": request.user.can(Permission.EXPORT),
    } | tables.comparison_context(found)
    return TemplateResponse(request, "analytics/results/send.html", context)


def _clicks(request: HttpRequest, found: Judgement) -> list[LinkRow]:
    return clicks(found.send, days=found.days, user=request.user)


def _deletions(request: HttpRequest, found: Judgement) -> dict[str, Any]:
    send = found.send
    after = aftermath(starts_of(send), request.user)
    excess = together(after)
    return {
        "deletions": tables.after_rows(after, DELETIONS, send=send.pk),
        "excess": excess,
        "together": tables.together_number(excess, send),
    }


@requires(Permission.EXPORT, scope=Scope.SEND, audit=True)
@require_GET
def export_results(request: HttpRequest, send_id: int) -> HttpResponseBase:
    """The comparison as a file, and below it the links."""
    send = _send(request, send_id)
    if send.is_to_groups:
        return export_groups(request, send)
    found = _judged(request, send)
    now = timezone.now()
    audit(request.user, "results.export", found.send, now=now, days=found.days)
    kind = request.GET.get("format", "")
    name = f"send-{found.send.pk}-results-{local_day(now)}"
    rows = chain(tables.file_rows(found), file_lines(_clicks(request, found)))
    return sheet_response(name, tables.file_header(), rows, kind=kind)


def _judged(request: HttpRequest, send: MassSend) -> Judgement:
    return judge(send, days=days_from(request.GET), user=request.user, now=timezone.now())


def _send(request: HttpRequest, send_id: int) -> MassSend:
    return get_object_or_404(MassSend.objects.for_user(request.user), pk=send_id)
