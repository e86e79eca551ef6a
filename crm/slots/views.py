"""Recurring slots: the list, one with its dates, writing it."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from crm.agents.access import Permission, requires
from crm.faces.models import Face
from crm.moments.models import Moment
from crm.shared.errors import DomainError
from crm.shared.http import row_number
from crm.slots import actions, queries
from crm.slots.filling import fill_slot, pool
from crm.slots.forms import SlotForm
from crm.slots.models import PostSlot


@requires(Permission.SEND_VIEW)
@require_GET
def slot_list(request: HttpRequest) -> HttpResponse:
    """Which slots there are, and how their coming days stand."""
    archived, face_id = request.GET.get("archived") == "1", row_number(request.GET.get("face"))
    rows = list(queries.slots(archived=archived, face_id=face_id))
    standings = {} if archived else queries.coming(rows, now=timezone.now())
    context = {
        "rows": [(slot, _days(slot), _counts(standings.get(slot.pk, {}))) for slot in rows],
        "archived": archived,
        "face": Face.objects.filter(pk=face_id).first(),
        "may_edit": request.user.can(Permission.FACE_EDIT),
    }
    return TemplateResponse(request, "crm/slots/list.html", context)


@requires(Permission.SEND_VIEW)
@require_GET
def slot_detail(request: HttpRequest, slot_id: int) -> HttpResponse:
    """Its dates and what became of each."""
    return _detail(request, _slot_or_404(slot_id))


def _detail(request: HttpRequest, slot: PostSlot, *, refusal: str = "") -> HttpResponse:
    now, user = timezone.now(), request.user
    page = queries.date_page(slot, params=request.GET, now=now)
    named = [day.moment_id for day in page if day.moment_id]
    context = {
        "slot": slot,
        "days": _days(slot),
        "page": page,
        "seen": set(
            Moment.objects.for_user(user).filter(pk__in=named).values_list("pk", flat=True)
        ),
        "pool": pool(slot).count(),
        "counts": _counts(queries.coming([slot], now=now)[slot.pk]),
        "refusal": refusal,
        "may_edit": user.can(Permission.FACE_EDIT),
    }
    status = 422 if refusal else 200
    return TemplateResponse(request, "crm/slots/detail.html", context, status=status)


@requires(Permission.FACE_EDIT)
@require_http_methods(["GET", "HEAD", "POST"])
def edit_slot(request: HttpRequest, slot_id: int | None = None) -> HttpResponseBase:
    """Write a new one, or change one; its coming days are filled at once."""
    slot, status = None if slot_id is None else _slot_or_404(slot_id), 200
    form = SlotForm(request.POST or None, user=request.user, slot=slot, **_named(request, slot))
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                saved = _save(request, form, slot)
            except DomainError as refusal:
                field = refusal.field if refusal.field in form.fields else None
                form.add_error(field, str(refusal))
                status = 409 if isinstance(refusal, actions.StaleSlot) else 422
            else:
                return redirect("crm:slots:detail", saved.pk)
    version = row_number(request.POST.get("version", "")) or (slot.version if slot else 0)
    context = {"form": form, "slot": slot, "version": version}
    return TemplateResponse(request, "crm/slots/edit.html", context, status=status)


def _named(request: HttpRequest, slot: PostSlot | None) -> dict:
    """A new slot begins with the persona account that the address names, and its topic."""
    face = Face.objects.live().filter(pk=row_number(request.GET.get("face"))).first()
    return {"initial": {"face": face, "topic": face.topic}} if face and slot is None else {}


def _save(request: HttpRequest, form: SlotForm, slot: PostSlot | None) -> PostSlot:
    now = timezone.now()
    version = row_number(request.POST.get("version", ""))
    said = {"content": form.content(), "by": request.user, "now": now}
    saved = actions.save_slot(slot=slot, version=version, **said)
    n = fill_slot(saved.pk, now=now)
    words = ngettext("已保存，排了 %(n)s 条草稿", "已保存，排了 %(n)s 条草稿", n)
    messages.success(request, words % {"n": n})
    return saved


@requires(Permission.FACE_EDIT)
@require_POST
def archive_slot(request: HttpRequest, slot_id: int) -> HttpResponseBase:
    """Lay it aside."""
    return _step(request, slot_id, actions.archive_slot, _("已归档，已排好的草稿还在"))


@requires(Permission.FACE_EDIT)
@require_POST
def restore_slot(request: HttpRequest, slot_id: int) -> HttpResponseBase:
    """Take it up again."""
    return _step(request, slot_id, actions.restore_slot, _("已恢复"))


def _step(
    request: HttpRequest, slot_id: int, do: Callable[..., None], words: str
) -> HttpResponseBase:
    slot, now = _slot_or_404(slot_id), timezone.now()
    try:
        do(slot=slot, version=row_number(request.POST.get("version")), by=request.user, now=now)
    except DomainError as refusal:
        return _detail(request, slot, refusal=str(refusal))
    fill_slot(slot.pk, now=now)
    messages.success(request, words)
    return redirect("crm:slots:detail", slot.pk)


def _days(slot: PostSlot) -> str:
    if len(slot.weekdays) == len(queries.WEEKDAYS):
        return _("每天")
    return "、".join(str(queries.WEEKDAYS[number]) for number in slot.weekdays)


def _counts(standings: dict) -> list[tuple[str, str, int]]:
    return [(queries.LEVELS[one], str(one.label), n) for one, n in standings.items() if n]


def _slot_or_404(slot_id: int) -> PostSlot:
    return get_object_or_404(PostSlot.objects.select_related("face", "kept_by__agent"), pk=slot_id)
