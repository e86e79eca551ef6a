"""Who is asking, in which language, and whether they may."""

import time

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils import timezone, translation
from django.utils.http import urlencode

from config.errors import forbidden
from config.policies import policy_of
from crm.agents.actions import audit

LANGUAGES = dict(settings.LANGUAGES)


class LanguageMiddleware:
    """The account's language, else the cookie of the header switch, else Chinese.

    The browser's Accept-Language is not asked: colleagues who share a screen should see the same.
    """

    def __init__(self, get_response) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        language = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME)
        if request.user.is_authenticated:
            language = request.user.language
        if language not in LANGUAGES:
            language = settings.LANGUAGE_CODE
        with translation.override(language):
            request.LANGUAGE_CODE = language
            response = self.get_response(request)
        response.headers.setdefault("Content-Language", language)
        return response


def sign_in_address(request: HttpRequest) -> str:
    """Where to sign in, and to come back from."""
    return f"/accounts/login/?{urlencode({'next': request.get_full_path()})}"


def redirect_to_sign_in(request: HttpRequest) -> HttpResponse:
    """The way of a person who is not signed in yet."""
    return redirect(sign_in_address(request))


class PolicyMiddleware:
    """Refuses every view without a policy row, and every user whose role the row does not admit."""

    def __init__(self, get_response) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated and self._idle_too_long(request):
            logout(request)
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view, args, kwargs) -> HttpResponse | None:
        match = request.resolver_match
        policy = policy_of(view, [match.url_name or ""], list(match.namespaces))
        if policy is None:
            return forbidden(request, None)
        if match.url_name == "api-docs" and not request.user.is_authenticated:
            return redirect_to_sign_in(request)  # For people, though under the API.
        if getattr(view, "cls", None) is not None and match.route.startswith("api/"):
            return None  # DRF authenticates tokens first; its PolicyPermission reads the same row.
        if policy.public:
            return None
        if not request.user.is_authenticated:
            return self._sign_in(request)
        if not policy.admits(request.user):
            return forbidden(request, policy.permission)
        if policy.audit:
            audit(
                request.user,
                f"open:{match.view_name}"[:64],
                now=timezone.now(),
                method=request.method,
                path=request.path,
            )
        return None

    def _sign_in(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith("/api/"):
            return JsonResponse({"error": "sign in or send a token"}, status=401)
        if getattr(request, "htmx", None):
            return HttpResponse(status=401, headers={"HX-Redirect": sign_in_address(request)})
        return redirect_to_sign_in(request)

    def _idle_too_long(self, request: HttpRequest) -> bool:
        now, seen = int(time.time()), request.session.get("seen_at")
        if seen is not None and now - seen > settings.SESSION_IDLE_SECONDS:
            return True
        # A poll from an open page is not a person: it must not keep the session alive.
        if seen is None or (now - seen > 60 and not request.headers.get("X-Changke-Poll")):
            request.session["seen_at"] = now
        return False
