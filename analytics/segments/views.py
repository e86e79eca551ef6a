"""Segments: the list, the builder with its live size, a segment and its versions."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from analytics.segments import actions, sizes
from analytics.segments.choosing import Shelf, kinds, row_of
from analytics.segments.drafting import (
    Draft,
    changed,
    draft_from_post,
    draft_from_rule,
    put_error,
    rule_body,
)
from analytics.segments.models import Segment
from analytics.segments.parsing import RuleRefused, rule_from
from analytics.segments.words import words_for
from crm.agents.access import Permission, Scope, requires
from crm.shared.errors import DomainError
from crm.shared.filters import search_box
from crm.shared.formatting import digits
from crm.shared.http import go, is_htmx
from crm.shared.paging import keyset_page

START = {"all": [{"field": "friend", "in": ["friend"]}]}


@requires(Permission.AUDIENCE_SAVE, scope=Scope.AUDIENCE)
@require_GET
def segment_list(request: HttpRequest) -> HttpResponse:
    """Saved questions, by name."""
    found = Segment.objects.for_user(request.user).filter(is_archived=False)
    found = found.select_related("owner__agent")
    query = request.GET.get("q", "").strip()[:64]
    if query:
        found = found.filter(name__icontains=query)
    page = keyset_page(found, order=("name",), params=request.GET, size=50)
    context = {
        "page": page,
        "narrowed": bool(query),
        "clear_href": "?" if query else "",
        "count": ngettext("%(n)s 个分群", "%(n)s 个分群", page.total) % {"n": digits(page.total)},
        "search": search_box(request.GET, _("分群名称")),
    }
    return TemplateResponse(request, "analytics/segments/list.html", context)


@requires(Permission.AUDIENCE_SAVE, scope=Scope.AUDIENCE)
@require_GET
def segment_detail(request: HttpRequest, segment_id: int) -> HttpResponse:
    """What it asks, how many answer now, with whom they are friends, and what it asked before."""
    segment = _segment_or_404(request, segment_id)
    context = {
        "segment": segment,
        "words": words_for(rule_from(segment.rule), request.user),
        "versions": segment.versions.select_related("saved_by__agent")[:20],
        "may_change": _may_change(request, segment),
    }
    try:
        context |= sizes.detail(segment, request.user)
    except RuleRefused as refusal:
        context["refusal"] = str(refusal)
    return TemplateResponse(request, "analytics/segments/detail.html", context)


@requires(Permission.AUDIENCE_SAVE, scope=Scope.AUDIENCE)
def add_segment(request: HttpRequest) -> HttpResponseBase:
    """The builder for a new segment."""
    return _builder(request, None)


@requires(Permission.AUDIENCE_SAVE, scope=Scope.AUDIENCE)
def edit_segment(request: HttpRequest, segment_id: int) -> HttpResponseBase:
    """The builder for the next version of a segment."""
    seen = Segment.objects.for_user(request.user).changeable_by(request.user)
    return _builder(request, get_object_or_404(seen, pk=segment_id))


def _builder(request: HttpRequest, segment: Segment | None) -> HttpResponseBase:
    if request.method != "POST":
        draft = draft_from_rule(segment.rule if segment else START)
        return _builder_page(request, segment, draft)
    draft = draft_from_post(request.POST)
    if request.POST.get("do"):
        return _builder_page(request, segment, changed(draft, request.POST))
    seen = request.POST.get("version", "")
    try:
        saved = actions.save_segment(
            name=request.POST.get("name", ""),
            description=request.POST.get("description", ""),
            rule=rule_body(draft),
            segment=segment,
            version=int(seen) if seen.isdigit() and len(seen) < 10 else None,
            by=request.user,
            now=timezone.now(),
        )
    except DomainError as refusal:
        beside = isinstance(refusal, RuleRefused) and put_error(draft, refusal)
        return _builder_page(request, segment, draft, "" if beside else str(refusal), status=422)
    return go(request, "analytics:segments:detail", segment_id=saved.pk)


def _builder_page(
    request: HttpRequest,
    segment: Segment | None,
    draft: Draft,
    refusal: str = "",
    status: int = 200,
) -> HttpResponse:
    values = {
        "name": request.POST.get("name", segment.name if segment else ""),
        "description": request.POST.get("description", segment.description if segment else ""),
    }
    context = {
        "segment": segment,
        "values": values,
        "top": row_of(draft.numbered(), Shelf(request.user)),
        "kinds": kinds(),
        "refusal": refusal,
        "size": _size(request, draft),
    }
    # htmx swaps the builder alone; a refusal to save shows the page as a browser would.
    template = "_builder.html" if is_htmx(request) else "builder.html"
    return TemplateResponse(request, f"analytics/segments/{template}", context, status=status)


@requires(Permission.AUDIENCE_SAVE, scope=Scope.AUDIENCE)
@require_POST
def segment_size(request: HttpRequest) -> HttpResponse:
    """How many answer what stands in the builder, and some of them."""
    context = {"size": _size(request, draft_from_post(request.POST))}
    return TemplateResponse(request, "analytics/segments/_size.html", context)


def _size(request: HttpRequest, draft: Draft) -> dict[str, Any]:
    try:
        return sizes.preview(rule_body(draft), request.user)
    except DomainError as refusal:
        return {"refusal": str(refusal)}


@requires(Permission.AUDIENCE_SAVE, scope=Scope.AUDIENCE)
@require_POST
def freeze_segment(request: HttpRequest, segment_id: int) -> HttpResponseBase:
    """Keep who answers now as an audience."""
    segment = _segment_or_404(request, segment_id)
    try:
        audience = actions.freeze_segment(
            segment=segment,
            name=request.POST.get("name", ""),
            by=request.user,
            now=timezone.now(),
        )
    except DomainError as refusal:
        context = {"segment": segment, "refusal": str(refusal)}
        context["words"] = words_for(rule_from(segment.rule), request.user)
        return TemplateResponse(request, "analytics/segments/detail.html", context, status=422)
    return go(request, "crm:audiences:detail", audience_id=audience.pk)


@requires(Permission.AUDIENCE_SAVE, scope=Scope.AUDIENCE)
@require_POST
def archive_segment(request: HttpRequest, segment_id: int) -> HttpResponseBase:
    """Take it out of the list."""
    seen = Segment.objects.for_user(request.user).changeable_by(request.user)
    segment = get_object_or_404(seen, pk=segment_id)
    try:
        actions.archive_segment(segment=segment, by=request.user, now=timezone.now())
    except DomainError as refusal:
        context = {"segment": segment, "refusal": str(refusal)}
        context["words"] = words_for(rule_from(segment.rule), request.user)
        return TemplateResponse(request, "analytics/segments/detail.html", context, status=422)
    return go(request, "analytics:segments:list")


def _segment_or_404(request: HttpRequest, segment_id: int) -> Segment:
    seen = Segment.objects.for_user(request.user).select_related("owner__agent")
    return get_object_or_404(seen, pk=segment_id)


def _may_change(request: HttpRequest, segment: Segment) -> bool:
    seen = Segment.objects.for_user(request.user).changeable_by(request.user)
    return not segment.is_archived and seen.filter(pk=segment.pk).exists()
