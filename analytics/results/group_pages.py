"""Results of a post in groups: what the page of a send shows, and its file."""

from itertools import chain

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils import timezone

from analytics.results import group_tables as tables
from analytics.results.click_tables import click_definition, click_rows, file_lines
from analytics.results.clicks import clicks
from analytics.results.figures import days_from
from analytics.results.group_posts import WHATS, group_posts
from crm.agents.access import Permission
from crm.agents.actions import audit
from crm.outreach.models import MassSend
from crm.shared.sheets import sheet_response
from crm.shared.times import local_day


def group_results(request: HttpRequest, send: MassSend) -> HttpResponse:
    """Group by group: did it arrive, who spoke, who left."""
    now, user, days = timezone.now(), request.user, days_from(request.GET)
    found = group_posts(send, user=user, now=now)
    context = {
        "send": send,
        "summary": tables.summary(found),
        "rows": tables.group_rows(found, send),
        "totals": {what: tables.total(found, send, what) for what in WHATS},
        "definition": tables.group_definition(),
        "clicks": click_rows(clicks(send, days=days, user=user), send, days),
        "click_definition": click_definition(days),
        "data_time": now,
        "may_export": user.can(Permission.EXPORT),
    }
    return TemplateResponse(request, "analytics/results/groups.html", context)


def export_groups(request: HttpRequest, send: MassSend) -> HttpResponseBase:
    """The same as a file, and below it the links."""
    now, user, days = timezone.now(), request.user, days_from(request.GET)
    found = group_posts(send, user=user, now=now)
    audit(user, "results.export", send, now=now, groups=len(found))
    lines = tables.file_rows(tables.group_rows(found, send))
    rows = chain(lines, file_lines(clicks(send, days=days, user=user)))
    name, kind = f"send-{send.pk}-groups-{local_day(now)}", request.GET.get("format", "")
    return sheet_response(name, tables.file_header(), rows, kind=kind)
