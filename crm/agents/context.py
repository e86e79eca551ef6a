"""What base.html needs on every page: who is here, in which language and theme, and where to go."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import get_language

from crm.agents.navigation import navigation


def shell(request: HttpRequest) -> dict[str, Any]:
    """Navigation, language and theme; computed only if the template asks."""
    user = getattr(request, "user", None)
    signed_in = bool(user and user.is_authenticated)
    return {
        "html_lang": "zh-Hans" if (get_language() or "zh").startswith("zh") else "en",
        "theme": getattr(user, "theme", None) or request.COOKIES.get("theme", "system"),
        "error_layout": "base.html" if signed_in else "entrance.html",
        "nav": SimpleLazyObject(lambda: navigation(request)) if signed_in else [],
        "customers_url": _url("crm:customers:list"),
        "corp_zone": settings.CORP_TIME_ZONE,
        "jobs_badge_url": _url("crm:jobs:badge"),
    }


def _url(name: str) -> str:
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""
