"""The people behind a number: panel or page, file, audience."""

from collections.abc import Iterator
from datetime import datetime
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from analytics.figures.lines import LinePage, export_lines, line_page
from analytics.figures.people import PeoplePage, people_page
from analytics.figures.registry import Opened, open_figure
from crm.agents.access import Permission, Scope, requires
from crm.agents.models import User
from crm.audiences.actions import freeze_audience
from crm.customers.disclosure import export_customers, export_header
from crm.customers.models import Customer
from crm.shared.errors import DomainError
from crm.shared.formatting import digits
from crm.shared.http import go, is_htmx
from crm.shared.sheets import sheet_response
from crm.shared.times import local_day


@requires(Permission.ANALYTICS_VIEW, scope=Scope.CUSTOMER)
@require_GET
def people(request: HttpRequest, figure: str) -> HttpResponse:
    """Exactly the people behind one number, in the side panel or on a page of their own."""
    return _people(request, figure, request.GET)


@requires(Permission.EXPORT, scope=Scope.CUSTOMER, audit=True)
@require_GET
def export(request: HttpRequest, figure: str) -> HttpResponseBase:
    """The same people as a file, as masked as on the screen."""
    now = timezone.now()
    try:
        opened = open_figure(figure, request.GET, request.user)
        head, rows = _file(opened, figure, request.user, now)
    except DomainError as refusal:
        return _refused(request, refusal)
    kind = request.GET.get("format", "")
    return sheet_response(f"{figure}-people-{local_day(now)}", head, rows, kind=kind)


def _file(opened: Opened, figure: str, by: User, now: datetime) -> tuple[list[str], Iterator]:
    told = {"figure": figure, "question": opened.question}
    if opened.lines is not None:
        return export_lines(opened.lines, by=by, now=now, **told)
    found = Customer.objects.for_user(by).filter(pk__in=list(opened.ids))
    rows = export_customers(found, sort="name", by=by, now=now, action="figure.export", **told)
    return export_header(), rows


@requires(Permission.AUDIENCE_SAVE, scope=Scope.CUSTOMER)
@require_POST
def save_audience(request: HttpRequest, figure: str) -> HttpResponseBase:
    """Freeze exactly these people as an audience, with the question that found them."""
    try:
        opened = open_figure(figure, request.POST, request.user)
    except DomainError as refusal:
        return _refused(request, refusal)
    try:
        audience = freeze_audience(
            name=request.POST.get("audience_name", ""),
            customer_ids=[int(pk) for pk in opened.ids],
            description=opened.title,
            question=opened.question,
            source=figure,
            by=request.user,
            now=timezone.now(),
        )
    except DomainError as refusal:
        return _people(request, figure, request.POST, refusal=str(refusal))
    return go(request, "crm:audiences:detail", audience_id=audience.pk)


def _people(
    request: HttpRequest, figure: str, params: QueryDict, *, refusal: str = ""
) -> HttpResponse:
    try:
        opened = open_figure(figure, params, request.user)
    except DomainError as problem:
        return _refused(request, problem)
    page: PeoplePage | LinePage
    if opened.lines is not None:
        page = line_page(opened.lines, user=request.user, params=params)
        count = ngettext("%(n)s 条", "%(n)s 条", page.total)
    else:
        page = people_page(opened.ids, user=request.user, params=params)
        count = ngettext("%(n)s 位客户", "%(n)s 位客户", page.total)
    context = {
        "figure": figure,
        "opened": opened,
        "page": page,
        "count": count % {"n": digits(page.total)},
        "query": urlencode(opened.query),
        "refusal": refusal,
        "may_save": request.user.can(Permission.AUDIENCE_SAVE) and not opened.is_of_things,
        "may_export": request.user.can(Permission.EXPORT),
    }
    template = "_people.html" if is_htmx(request) else "people.html"
    status = 422 if refusal else 200
    return TemplateResponse(request, f"analytics/figures/{template}", context, status=status)


def _refused(request: HttpRequest, refusal: DomainError) -> HttpResponse:
    template = "_refused.html" if is_htmx(request) else "refused.html"
    context = {"refusal": str(refusal), "title": _("打不开这个数字")}
    return TemplateResponse(request, f"analytics/figures/{template}", context, status=422)


def opened_json(opened: Opened) -> dict:
    """What the API says of a figure, apart from its people."""
    return {
        "title": opened.title,
        "count": opened.count,
        "definition": opened.definition,
        "definition_version": opened.version,
        "data_time": opened.data_time,
        "rate": opened.share.as_json() if opened.share else None,
        "question": opened.question,
    }
