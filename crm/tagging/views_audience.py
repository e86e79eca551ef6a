"""The tag of an audience: made, kept in step, handed on to another audience."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from crm.agents.access import Permission, Scope, requires
from crm.audiences.models import Audience
from crm.shared.http import STOP_POLLING, row_number
from crm.tagging import audience_tags, tasks
from crm.tagging.actions import TagsRefused
from crm.tagging.models import AudienceTag, TagEdit
from crm.wecom.limits import limits

OFFERED = 200


@requires(Permission.AUDIENCE_TAG, scope=Scope.AUDIENCE)
@require_http_methods(["GET", "POST"])
def audience_tag(request: HttpRequest, audience_id: int) -> HttpResponseBase:
    """How far the tag is; POST asks for one."""
    audience = _audience_or_404(request, audience_id)
    if request.method == "POST":
        try:
            audience_tags.give_tag(
                audience=audience,
                name=request.POST.get("name", ""),
                by=request.user,
                now=timezone.now(),
            )
        except TagsRefused as refusal:
            return _page(request, audience, refusal=str(refusal))
        messages.success(request, _("已提交，几秒后写入企业微信"))
        return redirect("crm:tagging:audience", audience.pk)
    return _page(request, audience)


@requires(Permission.AUDIENCE_TAG, scope=Scope.AUDIENCE)
@require_GET
def audience_tag_live(request: HttpRequest, audience_id: int) -> HttpResponse:
    """The counts alone, asked for again while something is on its way."""
    context = _state(_audience_or_404(request, audience_id))
    status = 200 if context["is_moving"] else STOP_POLLING
    return TemplateResponse(request, "crm/tagging/_audience_tag.html", context, status=status)


@requires(Permission.AUDIENCE_TAG, scope=Scope.AUDIENCE)
@require_POST
def keep_now(request: HttpRequest, audience_id: int) -> HttpResponseBase:
    """Compare members and carriers now."""
    row = _row_or_404(request, audience_id)
    tasks.ring(audience_tags.start_keeping(row=row, by=request.user).pk)
    messages.success(request, _("正在对齐"))
    return redirect("crm:tagging:audience", audience_id)


@requires(Permission.AUDIENCE_TAG, scope=Scope.AUDIENCE)
@require_POST
def follow(request: HttpRequest, audience_id: int) -> HttpResponseBase:
    """Let the tag follow another audience."""
    row = _row_or_404(request, audience_id)
    chosen = row_number(request.POST.get("audience"))
    other = Audience.objects.for_user(request.user).filter(pk=chosen).first()
    if other is None:
        return _page(request, row.audience, refusal=_("请选择一个人群"))
    try:
        job = audience_tags.follow(row=row, audience=other, by=request.user, now=timezone.now())
    except TagsRefused as refusal:
        return _page(request, row.audience, refusal=str(refusal))
    tasks.ring(job.pk)
    messages.success(request, _("正在对齐"))
    return redirect("crm:tagging:audience", other.pk)


@requires(Permission.AUDIENCE_TAG, scope=Scope.AUDIENCE)
@require_POST
def stop(request: HttpRequest, audience_id: int) -> HttpResponseBase:
    """Keep the tag no longer; it stays where it is."""
    row = _row_or_404(request, audience_id)
    audience_tags.stop_following(row=row, by=request.user, now=timezone.now())
    messages.success(request, _("不再对齐，标签留在企业微信"))
    return redirect("crm:tagging:audience", audience_id)


def _page(request: HttpRequest, audience: Audience, *, refusal: str = "") -> HttpResponse:
    context = _state(audience) | {
        "refusal": refusal,
        "name": request.POST.get("name", audience.name[: limits().tag_name_ch]),
        "longest": limits().tag_name_ch,
        "group_name": audience_tags.group_name(),
    }
    if context["counts"]:
        seen = Audience.objects.for_user(request.user).exclude(pk=audience.pk)
        context["others"] = seen[:OFFERED]
    status = 422 if refusal else 200
    return TemplateResponse(request, "crm/tagging/audience.html", context, status=status)


def _state(audience: Audience) -> dict[str, Any]:
    """How far the tag is; ``is_moving`` while WeCom has not heard of everything."""
    row = AudienceTag.unsafe_all.filter(audience=audience).select_related("tag", "batch").first()
    counts = {}
    if row is not None and row.tag_id:
        relations = audience_tags.members_relations(row)
        counts = {
            "relations": relations.count(),
            "tagged": relations.filter(tags=row.tag_id).count(),
            "strangers": audience_tags.strangers_relations(row).count(),
            "waiting": TagEdit.unsafe_all.waiting().filter(tag=row.tag_id).count(),
        }
    is_made = bool(counts and row.kept_at)
    moving = row is not None and row.stands and (not is_made or counts["waiting"] > 0)
    return {"audience": audience, "row": row, "counts": counts, "is_moving": moving}


def _audience_or_404(request: HttpRequest, audience_id: int) -> Audience:
    return get_object_or_404(Audience.objects.for_user(request.user), pk=audience_id)


def _row_or_404(request: HttpRequest, audience_id: int) -> AudienceTag:
    audience = _audience_or_404(request, audience_id)
    rows = AudienceTag.unsafe_all.select_related("tag", "audience")
    return get_object_or_404(rows, audience=audience)
