"""Reading the archive: say why, then read. Nothing said is in any address or cache."""

from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from crm.agents.access import Permission, Scope, requires
from crm.archive.forms import ReadingForm
from crm.archive.media import media_path
from crm.archive.models import ArchiveReading
from crm.archive.queries import archive_health
from crm.archive.reviewing import begin_reading, open_file, own_readings, read_page
from crm.shared.errors import DomainError
from crm.shared.http import go
from crm.shared.times import local_day


@requires(Permission.ARCHIVE_READ, scope=Scope.OWN)
@require_http_methods(["GET", "POST"])
def home(request: HttpRequest) -> HttpResponseBase:
    """What is kept, without any of it; a reason and whom it is about opens it."""
    now = timezone.now()
    given = {"customer": request.GET.get("customer", "")[:64]}
    form = ReadingForm(request.POST or None, user=request.user, today=local_day(now), **given)
    if form.is_valid():
        try:
            begun = begin_reading(**form.cleaned_data, by=request.user, now=now)
        except DomainError as refusal:
            form.add_error(refusal.field, str(refusal))
        else:
            return go(request, "crm:archive:reading", reading_id=begun.pk)
    context = {
        "form": form,
        "health": archive_health(now),
        "readings": own_readings(request.user, now=now),
    }
    status = 422 if form.errors else 200
    return TemplateResponse(request, "crm/archive/home.html", context, status=status)


@requires(Permission.ARCHIVE_READ, scope=Scope.OWN)
@require_GET
def reading(request: HttpRequest, reading_id: int) -> HttpResponse:
    """One page of a conversation, or of what a search found."""
    found = _own_or_404(request, reading_id)
    now = timezone.now()
    try:
        page, lines = read_page(reading=found, params=request.GET, by=request.user, now=now)
    except DomainError as refusal:
        return _refused(request, refusal)
    context = {
        "reading": found,
        "page": page,
        "lines": lines,
        "until": found.began_at + found.LASTS,
    }
    return _private(TemplateResponse(request, "crm/archive/reading.html", context))


@requires(Permission.ARCHIVE_READ, scope=Scope.OWN)
@require_GET
def media_file(request: HttpRequest, reading_id: int, media_id: int) -> HttpResponseBase:
    """A file somebody sent, to be saved, never to be opened in the page."""
    found = _own_or_404(request, reading_id)
    try:
        media = open_file(reading=found, media_id=media_id, by=request.user, now=timezone.now())
    except DomainError as refusal:
        return _refused(request, refusal)
    path = media_path(media) if media else None
    if path is None or not path.is_file():
        raise Http404
    name = media.name or f"{media.kind}-{media.pk}"
    kind = "application/octet-stream"
    return _private(
        FileResponse(path.open("rb"), as_attachment=True, filename=name, content_type=kind)
    )


def _own_or_404(request: HttpRequest, reading_id: int) -> ArchiveReading:
    seen = ArchiveReading.objects.for_user(request.user)
    return get_object_or_404(seen.select_related("customer", "agent", "group"), pk=reading_id)


def _refused(request: HttpRequest, refusal: DomainError) -> HttpResponse:
    context = {"title": _("没有打开会话存档"), "refusal": str(refusal)}
    status = 503 if refusal.code == "audit_unavailable" else 410
    return TemplateResponse(request, "crm/archive/refused.html", context, status=status)


def _private(response: HttpResponseBase) -> HttpResponseBase:
    response["Cache-Control"] = "no-store"
    return response
