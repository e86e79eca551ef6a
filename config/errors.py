"""Answers when something is refused or fails: the shell stays, with a reference to quote."""

import logging
import uuid

import structlog
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from crm.agents.access import ROLE_PERMISSIONS, Permission, Role

logger = logging.getLogger(__name__)


def _wants_json(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def _reference() -> str:
    """The beginning of the request's id, which every log line of the request carries."""
    request_id = structlog.contextvars.get_contextvars().get("request_id") or uuid.uuid4().hex
    return "".join(filter(str.isalnum, request_id))[:8]


def _page(request: HttpRequest, status: int, message: str, **context) -> HttpResponse:
    reference = _reference()
    if _wants_json(request):
        return JsonResponse({"error": message, "reference": reference}, status=status)
    context |= {"message": message, "reference": reference}
    return render(request, f"{status}.html", context, status=status)


def forbidden(request: HttpRequest, permission: Permission | None) -> HttpResponse:
    """403 that names the missing right and the roles that hold it."""
    right = permission.value if permission else _("此页面")
    holders = [
        Role(role).label for role, rights in ROLE_PERMISSIONS.items() if permission in rights
    ]
    return _page(
        request,
        403,
        _("缺少权限：%(right)s") % {"right": right},
        right=right,
        holders=holders,
    )


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _page(request, 403, str(exception) or _("没有权限"), holders=[])


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _page(request, 404, _("找不到这个页面，或您无权查看"))


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _page(request, 400, _("请求有误，未做任何改动"))


def server_error(request: HttpRequest) -> HttpResponse:
    try:
        return _page(request, 500, _("系统出错了，已记录"))
    except Exception:
        # The shell asks the database who is here, which may be the very thing that failed.
        logger.exception("the page that says so failed too")
        page = render_to_string("500_bare.html", {"reference": _reference()})
        return HttpResponse(page, status=500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return _page(request, 403, _("页面已过期，请刷新后重试"), holders=[])
