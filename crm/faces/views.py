"""Persona accounts: the list, one of them, writing it, and who is still to be handed to it."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from crm.agents.access import Permission, Scope, requires
from crm.customers.queries import DEFAULT_SORT, customer_rows, sort_order
from crm.faces import actions, queries
from crm.faces.forms import FaceForm
from crm.faces.models import Face
from crm.shared.errors import DomainError
from crm.shared.http import row_number
from crm.shared.paging import Page, keyset_page

MOST_NAMED = 500


@requires(Permission.FACE_EDIT)
@require_GET
def face_list(request: HttpRequest) -> HttpResponse:
    """Which persona accounts there are, who speaks for them and for whom they are."""
    archived = request.GET.get("archived") == "1"
    context = {"faces": queries.faces(archived=archived), "archived": archived}
    return TemplateResponse(request, "crm/faces/list.html", context)


@requires(Permission.FACE_EDIT, scope=Scope.CUSTOMER)
@require_GET
def face_detail(request: HttpRequest, face_id: int) -> HttpResponse:
    """Its tone, its agents, its customers, and how many of them are still to be handed to it."""
    return _detail(request, _face_or_404(face_id))


def _detail(request: HttpRequest, face: Face, *, refusal: str = "") -> HttpResponse:
    user = request.user
    context = {
        "face": face,
        "customers": queries.people(face, user).count(),
        "waiting": queries.to_hand(face, user).count(),
        "givers": queries.givers(face, user),
        "refusal": refusal,
        "may_plan": user.can(Permission.HANDOVER_PLAN) and not face.is_archived,
        "may_open_audience": user.can(Permission.AUDIENCE_SAVE),
    }
    status = 422 if refusal else 200
    return TemplateResponse(request, "crm/faces/detail.html", context, status=status)


@requires(Permission.FACE_EDIT, scope=Scope.CUSTOMER)
@require_GET
def people_to_hand(request: HttpRequest, face_id: int) -> HttpResponse:
    """The customers behind the number: whom it is for and who are not a friend of its agents."""
    face = _face_or_404(face_id)
    found = queries.to_hand(face, request.user).select_related("channel")
    page = keyset_page(found, order=sort_order(DEFAULT_SORT), params=request.GET)
    shown = Page(customer_rows(page.rows), page.after, page.before, page.total, page.is_exact)
    return TemplateResponse(request, "crm/faces/waiting.html", {"face": face, "page": shown})


@requires(Permission.FACE_EDIT)
@require_http_methods(["GET", "HEAD", "POST"])
def edit_face(request: HttpRequest, face_id: int | None = None) -> HttpResponseBase:
    """Write a new one, or change one."""
    face = None if face_id is None else _face_or_404(face_id)
    form, status = FaceForm(request.POST or None, user=request.user, face=face), 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                saved = actions.save_face(
                    content=form.content(),
                    face=face,
                    version=row_number(request.POST.get("version", "")),
                    by=request.user,
                    now=timezone.now(),
                )
            except DomainError as refusal:
                field = refusal.field if refusal.field in form.fields else None
                form.add_error(field, str(refusal))
                status = 409 if isinstance(refusal, actions.StaleFace) else 422
            else:
                messages.success(request, _("已保存"))
                return redirect("crm:faces:detail", saved.pk)
    version = row_number(request.POST.get("version", "")) or (face.version if face else 0)
    context = {"form": form, "face": face, "version": version}
    return TemplateResponse(request, "crm/faces/edit.html", context, status=status)


@requires(Permission.FACE_EDIT)
@require_POST
def archive_face(request: HttpRequest, face_id: int) -> HttpResponseBase:
    """Lay it aside."""
    return _step(request, face_id, actions.archive_face, _("已归档，员工可以为别的人设工作"))


@requires(Permission.FACE_EDIT)
@require_POST
def restore_face(request: HttpRequest, face_id: int) -> HttpResponseBase:
    """Take it up again."""
    return _step(request, face_id, actions.restore_face, _("已恢复"))


def _step(
    request: HttpRequest, face_id: int, do: Callable[..., None], words: str
) -> HttpResponseBase:
    face = _face_or_404(face_id)
    version = row_number(request.POST.get("version", ""))
    try:
        do(face=face, version=version, by=request.user, now=timezone.now())
    except DomainError as refusal:
        return _detail(request, face, refusal=str(refusal))
    messages.success(request, words)
    return redirect("crm:faces:detail", face.pk)


@requires(Permission.CONTENT_VIEW)
@require_POST
def tones(request: HttpRequest) -> HttpResponse:
    """The tones of the faces that a form is being filled in for; asked while composing."""
    asked = request.POST
    found = queries.faces_at_work(
        agent_ids=_numbers(asked.getlist("senders") + asked.getlist("agents")),
        tag_ids=_numbers(asked.getlist("tags")),
        audience_id=row_number(asked.get("audience")),
        channel_id=row_number(asked.get("channel")),
        face_id=row_number(asked.get("face")),
    )
    return TemplateResponse(request, "crm/faces/_tones.html", {"faces": found})


def _numbers(texts: list[str]) -> list[int]:
    return [number for text in texts[:MOST_NAMED] if (number := row_number(text))]


def _face_or_404(face_id: int) -> Face:
    rows = Face.objects.select_related("tag__group", "audience", "updated_by__agent")
    return get_object_or_404(rows.prefetch_related("agents", "channels"), pk=face_id)
