"""Welcomes: the rules, and what became of them."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from crm.acquisition import queries
from crm.acquisition.actions import give_to_face, save_welcome
from crm.acquisition.forms import WelcomeForm
from crm.acquisition.models import Welcome
from crm.acquisition.wording import BadWording
from crm.agents.access import Permission, requires
from crm.faces.models import Face
from crm.gate.judging import rules_at
from crm.gate.models import Channel
from crm.shared.http import is_htmx, row_number
from crm.shared.paging import keyset_page


@requires(Permission.WELCOME_EDIT)
@require_GET
def welcome_list(request: HttpRequest) -> HttpResponse:
    """Which words greet whom, and how it went in the last seven days."""
    now, outcome = timezone.now(), request.GET.get("outcome", "")
    sent = queries.recent_welcomes(request.user, now=now, outcome=outcome)
    page = keyset_page(sent, order=("-happened_at",), params=request.GET)
    known = queries.greeted(page, request.user)
    context = {
        "rules": queries.welcome_rules(request.user, now=now),
        "summary": queries.welcome_summary(request.user, now=now),
        "page": page,
        "rows": [
            (row, queries.LEVELS.get(row.outcome, ""), known.get(row.external_userid))
            for row in page
        ],
        "outcome": outcome,
        "again": rules_at(now, channel=Channel.WELCOME),
    }
    return TemplateResponse(request, "crm/acquisition/welcomes.html", context)


@requires(Permission.WELCOME_EDIT)
@require_http_methods(["GET", "POST"])
def add_welcome(request: HttpRequest) -> HttpResponseBase:
    """A new rule."""
    return _edit(request, None)


@requires(Permission.WELCOME_EDIT)
@require_http_methods(["GET", "POST"])
def edit_welcome(request: HttpRequest, welcome_id: int) -> HttpResponseBase:
    """Other words, other people, or switched off."""
    return _edit(request, get_object_or_404(Welcome, pk=welcome_id))


@requires(Permission.FACE_EDIT)
@require_http_methods(["GET", "POST"])
def face_welcomes(request: HttpRequest, face_id: int) -> HttpResponseBase:
    """The words of one persona account; a rule that is there already can become its own."""
    face, refusal = get_object_or_404(Face, pk=face_id), ""
    if request.method == "POST":
        try:
            _give(request, face)
        except BadWording as refused:
            refusal = str(refused)
        else:
            messages.success(request, _("已保存"))
            return redirect("crm:faces:detail", face.pk)
    context = {
        "face": face,
        "welcomes": queries.welcomes_of(face),
        "others": queries.welcomes_to_give(),
        "may_write": request.user.can(Permission.WELCOME_EDIT),
        "refusal": refusal,
    }
    template = "_of_face.html" if is_htmx(request) else "of_face.html"
    status = 422 if refusal else 200
    return TemplateResponse(request, f"crm/acquisition/{template}", context, status=status)


def _give(request: HttpRequest, face: Face) -> None:
    released = request.POST.get("then") == "release"
    # Only what is its own can be taken from it, only what is nobody's can become its own.
    rows = Welcome.objects.filter(face=face if released else None)
    found = rows.filter(pk=row_number(request.POST.get("welcome"))).first()
    if found is None:
        raise BadWording(_("请选择一条还不属于别的人设的欢迎语"), field="welcome")
    to = None if released else face
    give_to_face(welcome=found, face=to, by=request.user, now=timezone.now())


def _edit(request: HttpRequest, welcome: Welcome | None) -> HttpResponseBase:
    face = Face.objects.live().filter(pk=row_number(request.GET.get("face"))).first()
    initial = WelcomeForm.initial_of(welcome) if welcome else {"face": face}
    form = WelcomeForm(request.POST or None, initial=initial, user=request.user)
    if request.method == "POST" and form.is_valid():
        try:
            save_welcome(form.rule(), welcome=welcome, by=request.user, now=timezone.now())
        except BadWording as refusal:
            form.add_error(refusal.field, str(refusal))
        else:
            messages.success(request, _("已保存"))
            return redirect("crm:acquisition:welcomes")
    status = 422 if form.is_bound else 200
    context = {"form": form, "welcome": welcome}
    return TemplateResponse(request, "crm/acquisition/welcome.html", context, status=status)
