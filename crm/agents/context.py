"""What base.html needs on every page: who is here, in which language and theme, and where to go."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import get_language

from crm.agents.access import Permission, has_permission
from crm.agents.models import User
from crm.agents.navigation import navigation


def shell(request: HttpRequest) -> dict[str, Any]:
    """Navigation, language and theme; computed only if the template asks."""
    user = getattr(request, "user", None)
    signed_in = bool(user and user.is_authenticated)
    return {
        "html_lang": "zh-Hans" if (get_language() or "zh").startswith("zh") else "en",
        "theme": user.theme if signed_in else _chosen_theme(request),
        "error_layout": "base.html" if signed_in else "entrance.html",
        "nav": SimpleLazyObject(lambda: navigation(request)) if signed_in else [],
        "customers_url": _url("crm:customers:list", user, Permission.CUSTOMER_VIEW),
        "jobs_badge_url": _url("crm:jobs:badge", user, Permission.JOB_VIEW),
        "corp_zone": settings.CORP_TIME_ZONE,
    }


def _chosen_theme(request: HttpRequest) -> str:
    theme = request.COOKIES.get("theme", "")
    return theme if theme in User.Theme.values else User.Theme.SYSTEM.value


def _url(name: str, user: User | AnonymousUser | None, permission: Permission) -> str:
    if not has_permission(user or AnonymousUser(), permission):
        return ""
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""
