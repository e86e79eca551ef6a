"""Answers when something is refused or fails: the shell stays, with a reference to quote."""

import uuid

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from crm.agents.access import ROLE_PERMISSIONS, Permission, Role


def _wants_json(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def _page(request: HttpRequest, status: int, message: str, **context) -> HttpResponse:
    reference = getattr(request, "reference", "") or uuid.uuid4().hex[:8]
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


def permission_denied(request: HttpRequest, exception=None) -> HttpResponse:
    return _page(request, 403, str(exception) or _("没有权限"), holders=[])


def not_found(request: HttpRequest, exception=None) -> HttpResponse:
    return _page(request, 404, _("找不到这个页面，或您无权查看"))


def bad_request(request: HttpRequest, exception=None) -> HttpResponse:
    return _page(request, 400, _("请求有误，未做任何改动"))


def server_error(request: HttpRequest) -> HttpResponse:
    return _page(request, 500, _("系统出错了，已记录"))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return _page(request, 403, _("页面已过期，请刷新后重试"), holders=[])
