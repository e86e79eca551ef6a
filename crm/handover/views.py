"""Handovers: who leaves whom to whom, how far it is, and trying again."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from crm.agents.access import Permission, Scope, requires
from crm.customers.models import Customer
from crm.faces.models import Face
from crm.handover import actions, queries
from crm.handover.forms import PlanForm, RetryForm
from crm.handover.models import AGAIN, Handover, State, Transfer
from crm.handover.planning import make_plan
from crm.handover.rules import HandoverRefused
from crm.handover.words import reason_words
from crm.shared.http import STOP_POLLING, row_number
from crm.shared.paging import keyset_page


@requires(Permission.HANDOVER_VIEW, scope=Scope.AGENT)
@require_GET
def handover_list(request: HttpRequest) -> HttpResponse:
    """Handovers, agents who left their customers behind, and who is on the way."""
    may_plan = request.user.can(Permission.HANDOVER_PLAN)
    context = {
        "page": keyset_page(queries.handovers(request.user), order=("-id",), params=request.GET),
        "leavers": queries.leavers(request.user) if may_plan else [],
        "coming": queries.coming(request.user)[:50],
        "may_plan": may_plan,
    }
    return TemplateResponse(request, "crm/handover/list.html", context)


@requires(Permission.HANDOVER_PLAN, scope=Scope.AGENT)
@require_http_methods(["GET", "POST"])
def plan_handover(request: HttpRequest) -> HttpResponseBase:
    """A dry run by GET; what it showed, and no more, is carried out by POST."""
    if request.method == "POST":
        return _start(request)
    asked = "split" in request.GET
    initial = {"giver": request.GET.get("giver")} | _initial_face(request)
    form = PlanForm(request.GET if asked else None, initial=initial, user=request.user)
    plan = None
    if asked and form.is_valid():
        try:
            plan = make_plan(**form.plan(), now=timezone.now())
        except HandoverRefused as refusal:
            form.add_error(refusal.field, str(refusal))
    return _plan_page(request, form, plan)


def _initial_face(request: HttpRequest) -> dict:
    """The persona account that the address names, with its agents as those who take over."""
    face = Face.objects.live().filter(pk=row_number(request.GET.get("face"))).first()
    if face is None:
        return {}
    return {"face": face, "takers": list(face.members.values_list("agent_id", flat=True))}


def _start(request: HttpRequest) -> HttpResponseBase:
    form = PlanForm(request.POST, user=request.user)
    expected = request.POST.get("expected", "")
    if form.is_valid() and expected.isascii() and expected.isdigit():
        try:
            handover = actions.start_handover(
                **form.plan(),
                message=form.cleaned_data["message"],
                expected=int(expected[:9]),
                by=request.user,
                now=timezone.now(),
            )
        except HandoverRefused as refusal:
            form.add_error(refusal.field, str(refusal))
        else:
            messages.success(request, _("一分钟后开始移交，在此之前可以停止"))
            return redirect("crm:handover:detail", handover.pk)
    return _plan_page(request, form, None, status=422)


def _plan_page(request: HttpRequest, form: PlanForm, plan, status: int = 200) -> HttpResponse:
    context = {"form": form, "plan": plan}
    if plan is not None:
        context["kept"] = [(reason_words(code), n) for code, n in plan.kept]
        context["values"] = [
            (name, value) for name, values in request.GET.lists() for value in values
        ]
        context["confirm"] = ngettext("移交 %(n)s 位客户", "移交 %(n)s 位客户", plan.moving) % {
            "n": plan.moving
        }
    return TemplateResponse(request, "crm/handover/plan.html", context, status=status)


@requires(Permission.HANDOVER_VIEW, scope=Scope.AGENT)
@require_GET
def handover_detail(request: HttpRequest, handover_id: int) -> HttpResponse:
    """Every customer of the agent by state, with the people."""
    return _detail(request, _handover_or_404(request, handover_id))


@requires(Permission.HANDOVER_VIEW, scope=Scope.AGENT)
@require_GET
def handover_live(request: HttpRequest, handover_id: int) -> HttpResponse:
    """The counts alone, asked for again while something is on its way."""
    handover = _handover_or_404(request, handover_id)
    progress = queries.progress(handover)
    moving = sum(progress.count(s) for s in (State.PLANNED, State.CALLING, State.WAITING))
    context = {"handover": handover, "progress": progress, "state": request.GET.get("state", "")}
    return TemplateResponse(
        request, "crm/handover/_progress.html", context, status=200 if moving else STOP_POLLING
    )


@requires(Permission.HANDOVER_PLAN, scope=Scope.AGENT)
@require_POST
def stop_handover(request: HttpRequest, handover_id: int) -> HttpResponseBase:
    """Take back what has not begun."""
    handover = _handover_or_404(request, handover_id)
    try:
        n = actions.stop_handover(handover_id=handover.pk, by=request.user, now=timezone.now())
    except HandoverRefused as refusal:
        return _detail(request, handover, refusal=str(refusal))
    messages.success(request, _("已停止：%(n)s 位客户不再移交") % {"n": n})
    return redirect("crm:handover:detail", handover.pk)


@requires(Permission.HANDOVER_PLAN, scope=Scope.AGENT)
@require_POST
def retry_handover(request: HttpRequest, handover_id: int) -> HttpResponseBase:
    """Those who refused or found no room, with somebody else."""
    handover = _handover_or_404(request, handover_id)
    form = RetryForm(request.POST, user=request.user, handover=handover)
    if not form.is_valid():
        return _detail(request, handover, form=form)
    try:
        n = actions.retry_transfers(
            handover_id=handover.pk,
            transfer_ids=form.cleaned_data["ids"] or None,
            takers=list(form.cleaned_data["takers"]),
            by=request.user,
            now=timezone.now(),
        )
    except HandoverRefused as refusal:
        return _detail(request, handover, form=form, refusal=str(refusal))
    messages.success(request, _("一分钟后再次移交 %(n)s 位客户") % {"n": n})
    return redirect("crm:handover:detail", handover.pk)


def _detail(
    request: HttpRequest,
    handover: Handover,
    *,
    form: RetryForm | None = None,
    refusal: str = "",
) -> HttpResponse:
    state = request.GET.get("state", "")
    rows = Transfer.objects.for_user(request.user).latest().filter(handover=handover)
    if state in State.values:
        rows = rows.filter(state=state)
    rows = rows.select_related("customer", "giver", "taker")
    page = keyset_page(rows, order=("id",), params=request.GET)
    may_plan = request.user.can(Permission.HANDOVER_PLAN)
    context = {
        "handover": handover,
        "progress": queries.progress(handover),
        "page": page,
        "rows": [_row(row, request.user) for row in _with_links(page.rows, request.user)],
        "state": state,
        "refusal": refusal,
        "may_plan": may_plan,
        "retry": form or RetryForm(user=request.user, handover=handover),
    }
    status = 422 if refusal or (form is not None and form.errors) else 200
    return TemplateResponse(request, "crm/handover/detail.html", context, status=status)


def _with_links(rows: list[Transfer], user) -> list[tuple[Transfer, bool]]:
    """Each transfer with whether the viewer may open the customer's profile."""
    ids = [row.customer_id for row in rows]
    seen = set(Customer.objects.for_user(user).filter(pk__in=ids).values_list("pk", flat=True))
    return [(row, row.customer_id in seen) for row in rows]


def _row(pair: tuple[Transfer, bool], user) -> dict:
    row, is_open_to_viewer = pair
    return {
        "transfer": row,
        "level": queries.LEVELS.get(State(row.state), ""),
        "reason": reason_words(row.reason_code),
        "has_link": is_open_to_viewer,
        "may_retry": row.state in AGAIN and row.reason_code != "gone",
    }


def _handover_or_404(request: HttpRequest, handover_id: int) -> Handover:
    seen = Handover.objects.for_user(request.user).select_related("giver", "created_by__agent")
    return get_object_or_404(seen, pk=handover_id)
