"""偏好 and the switches in the header: how the product works for the person at the screen."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import override
from django.views.decorators.http import require_POST

from crm.agents.access import Permission, public, requires
from crm.agents.forms import PreferencesForm
from crm.agents.models import User
from crm.shared.http import safe_next

_A_YEAR = 365 * 24 * 3600


@requires(Permission.PREFERENCES)
def preferences(request: HttpRequest) -> HttpResponse:
    """The preferences of the signed-in person."""
    form = PreferencesForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        user = form.save()
        with override(user.language):
            messages.success(request, _("已保存"))
        return redirect("crm:agents:preferences")
    return TemplateResponse(request, "crm/agents/preferences.html", {"form": form})


@public
@require_POST
def set_language(request: HttpRequest) -> HttpResponse:
    """The switch in the header: kept with the account, and in a cookie for the sign-in page."""
    language = request.POST.get("language", "")
    response = redirect(safe_next(request))
    if language in User.Language.values:
        _remember(request, "language", language)
        _set_cookie(response, settings.LANGUAGE_COOKIE_NAME, language)
    return response


@public
@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    """Light, dark, or as the system says."""
    theme = request.POST.get("theme", "")
    response = redirect(safe_next(request))
    if theme in User.Theme.values:
        _remember(request, "theme", theme)
        _set_cookie(response, "theme", theme)
    return response


def _remember(request: HttpRequest, field: str, value: str) -> None:
    if request.user.is_authenticated:
        setattr(request.user, field, value)
        request.user.save(update_fields=[field])


def _set_cookie(response: HttpResponse, name: str, value: str) -> None:
    response.set_cookie(
        name,
        value,
        max_age=_A_YEAR,
        samesite="Lax",
        httponly=True,
        secure=settings.SESSION_COOKIE_SECURE,
    )
