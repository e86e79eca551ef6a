"""What views ask of a request and answer to the browser, htmx or not."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event

# htmx stops polling on this status; our own poller does the same.
STOP_POLLING = 286


def is_htmx(request: HttpRequest) -> bool:
    """Whether only a fragment is wanted; going back in history wants the whole page."""
    headers = request.headers
    return headers.get("HX-Request") == "true" and (
        headers.get("HX-History-Restore-Request") != "true"
    )


def row_number(text: str | None) -> int:
    """The number of a row as an address or a form names it; 0, which no row has, for anything else.

    Bounded to what the database takes, so that no digits from outside become its error.
    """
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else 0


def client_address(request: HttpRequest) -> str:
    """Whose address the outermost proxy of ours saw; empty where it told nobody's.

    What stands before that in the header anybody may have written.
    """
    if not settings.PROXIES:
        return request.META.get("REMOTE_ADDR", "")
    told = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    return told[-settings.PROXIES].strip() if len(told) >= settings.PROXIES else ""


def safe_next(request: HttpRequest, default: str = "/") -> str:
    """Where to go after a form: ``next`` if it points into this site, else ``default``."""
    target = request.POST.get("next") or request.GET.get("next") or ""
    if url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        return target
    return resolve_url(default)


def go(request: HttpRequest, to: str, *args: object, **kwargs: object) -> HttpResponseBase:
    """Redirect the page, also when htmx asked."""
    url = resolve_url(to, *args, **kwargs)
    return HttpResponseClientRedirect(url) if is_htmx(request) else HttpResponseRedirect(url)


def toast(
    response: HttpResponse, text: str, *, level: str = "good", undo_url: str = ""
) -> HttpResponse:
    """Let the page say ``text``, with an undo button that posts to ``undo_url`` for ten seconds."""
    trigger_client_event(response, "toast", {"text": str(text), "level": level, "undo": undo_url})
    return response
