"""How articles are read: all of them, one of them, and their files."""

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from analytics.articles import tables
from analytics.articles.figures import asked, definition
from analytics.articles.reading import DAYS, RANGES, Reading, articles, reading
from crm.agents.access import Permission, Scope, requires
from crm.agents.actions import audit
from crm.content.models import Material
from crm.shared.sheets import sheet_response
from crm.shared.times import local_day

SHOWN = 50


@requires(Permission.ANALYTICS_VIEW, scope=Scope.CUSTOMER)
@require_GET
def article_list(request: HttpRequest) -> HttpResponse:
    """The latest articles, each with openings, reading, clicks and orders."""
    (range_, days), now = asked(request.GET), timezone.now()
    found = _all(request, range_, days, now)
    context = {
        "rows": [(one, dict(zip(one.people, _numbers(one), strict=True))) for one in found],
        "opened": sum(one.counted.opened for one in found),
        "shown": SHOWN,
    }
    return TemplateResponse(
        request,
        "analytics/articles/list.html",
        context | _common(request, range_, days) | {"data_time": now},
    )


@requires(Permission.ANALYTICS_VIEW, scope=Scope.CUSTOMER)
@require_GET
def article(request: HttpRequest, material_id: int) -> HttpResponse:
    """One article: places, positions, and the people who are known."""
    range_, days = asked(request.GET)
    found = _one(request, material_id)
    context = {
        "found": found,
        "people": tables.people_rows(found),
        "buttons": tables.button_rows(found),
        "data_time": found.at,
    }
    return TemplateResponse(
        request, "analytics/articles/article.html", context | _common(request, range_, days)
    )


@requires(Permission.EXPORT, scope=Scope.CUSTOMER, audit=True)
@require_GET
def export_articles(request: HttpRequest) -> HttpResponseBase:
    """The list with places and buttons as a file."""
    (range_, days), now = asked(request.GET), timezone.now()
    found = _all(request, range_, days, now)
    audit(request.user, "articles.export", now=now, range=range_, days=days)
    rows = (row for one in found for row in tables.file_rows(one))
    kind = request.GET.get("format", "")
    return sheet_response(f"articles-{local_day(now)}", tables.file_header(), rows, kind=kind)


@requires(Permission.EXPORT, scope=Scope.CUSTOMER, audit=True)
@require_GET
def export_article(request: HttpRequest, material_id: int) -> HttpResponseBase:
    """One article as a file."""
    found = _one(request, material_id)
    audit(request.user, "articles.export", found.material, now=found.at, days=found.days)
    name, kind = f"article-{material_id}-{local_day(found.at)}", request.GET.get("format", "")
    return sheet_response(name, tables.file_header(), tables.file_rows(found), kind=kind)


def _all(request: HttpRequest, range_: int, days: int, now) -> list[Reading]:
    return [
        reading(one, range_=range_, days=days, user=request.user, now=now)
        for one in articles(request.user)[:SHOWN]
    ]


def _one(request: HttpRequest, material_id: int) -> Reading:
    range_, days = asked(request.GET)
    material = get_object_or_404(Material.objects.for_user(request.user), pk=material_id)
    return reading(material, range_=range_, days=days, user=request.user, now=timezone.now())


def _numbers(found: Reading) -> list:
    return [number for _label, number in tables.people_rows(found)]


def _common(request: HttpRequest, range_: int, days: int) -> dict:
    return {
        "range": range_,
        "days": days,
        "ranges": RANGES,
        "days_offered": DAYS,
        "definition": definition(range_, days),
        "may_export": request.user.can(Permission.EXPORT),
    }
