"""The address that WeCom calls."""

from django.db import Error as DatabaseFailure
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from crm.agents.access import public
from crm.callbacks import keeping, tasks
from crm.callbacks.receiving import MAX_BODY, CallbackRefused, read_check, read_message
from crm.callbacks.refusals import count_refusal

PLAIN = "text/plain; charset=utf-8"


@public
@csrf_exempt
@require_http_methods(["GET", "POST"])
def callback(request: HttpRequest) -> HttpResponse:
    """Verify, keep, answer. 200 only after the commit; one and the same refusal for all else."""
    now = timezone.now()
    try:
        if request.method == "GET":
            return HttpResponse(read_check(request.GET, now=now), content_type=PLAIN)
        message = read_message(request.GET, _limited_body(request), now=now)
    except CallbackRefused as refusal:
        count_refusal(refusal.reason, now=now)
        return HttpResponse(b"refused", status=403, content_type=PLAIN)
    try:
        is_new = keeping.keep_message(message, now=now)
    except DatabaseFailure:
        return HttpResponse(b"later", status=503, content_type=PLAIN)
    if is_new:
        tasks.ring(
            greeting=message.digest if message.fields.get("WelcomeCode") else None,
            archive_bell=message.event == "msgaudit_notify",
        )
    return HttpResponse(b"success", content_type=PLAIN)


def _limited_body(request: HttpRequest) -> bytes:
    """The body if it is small; a large one is refused unread, whatever length was declared."""
    declared = request.META.get("CONTENT_LENGTH") or "0"
    if not declared.isdigit() or int(declared) > MAX_BODY:
        raise CallbackRefused("size")
    try:
        body = request.read(MAX_BODY + 1)
    except OSError as error:  # The caller went away.
        raise CallbackRefused("size") from error
    if len(body) > MAX_BODY:
        raise CallbackRefused("size")
    return body
