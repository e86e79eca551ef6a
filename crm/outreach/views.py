"""Pages of mass sends: the list, writing one, one send with everybody in it, and its steps."""

from collections.abc import Callable

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from crm.agents.access import Permission, Scope, requires
from crm.content.choosing import chosen_material, material_to_fill
from crm.content.models import Material
from crm.content.requirements import gaps_for
from crm.gate.models import ContentKind
from crm.outbox import tasks as outbox
from crm.outbox.arbiter import PutOff, put_off
from crm.outreach import actions, policies, queries
from crm.outreach.carrying import people_of
from crm.outreach.forms import PlanForm, RejectForm, SendForm
from crm.outreach.models import MassRecipient, MassSend
from crm.outreach.planning import dry_run
from crm.outreach.reminders import laggards, remind_agents
from crm.shared.errors import DomainError
from crm.shared.http import row_number


@requires(Permission.SEND_VIEW, scope=Scope.SEND)
@require_GET
def send_list(request: HttpRequest) -> HttpResponse:
    """What went out, what will, and what waits for an approval."""
    page, state = queries.send_page(request.user, params=request.GET), request.GET.get("state", "")
    context = {
        "page": page,
        "rows": [(send, queries.SEND_LEVELS.get(send.state, "")) for send in page],
        "state": state,
        "states": MassSend.State.choices,
        "may_plan": request.user.can(Permission.SEND_PLAN),
    }
    return TemplateResponse(request, "crm/outreach/list.html", context)


@requires(Permission.SEND_PLAN, scope=Scope.SEND)
@require_http_methods(["GET", "HEAD", "POST"])
def compose_send(request: HttpRequest, send_id: int | None = None) -> HttpResponseBase:
    """Write a new send, or change one that has not begun."""
    send = None if send_id is None else _send_or_404(request, send_id)
    if send and not policies.can_edit_send(request.user, send):
        return redirect("crm:outreach:detail", send.pk)
    material = chosen_material(request, send)
    form = SendForm(request.POST or None, user=request.user, send=send, material=material)
    status, fill_at = 200, None
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                saved = _save(request, form, send, material)
            except DomainError as refusal:
                field = refusal.field if refusal.field in form.fields else None
                form.add_error(field, str(refusal))
                fill_at = material_to_fill(refusal)
                status = 409 if isinstance(refusal, actions.StaleSend) else 422
            else:
                return redirect("crm:outreach:detail", saved.pk)
    version = _version(request) or (send.version if send else 0)
    context = {"form": form, "send": send, "version": version, "material": material}
    context["lessons"] = queries.lessons_before(send) if send else ()
    context |= {"fill_at": fill_at, "carried": send if send and send.material_id else material}
    return TemplateResponse(request, "crm/outreach/compose.html", context, status=status)


def _save(
    request: HttpRequest, form: SendForm, send: MassSend | None, material: Material | None
) -> MassSend:
    said = {"content": form.content(material), "by": request.user, "now": timezone.now()}
    with transaction.atomic():
        if send is None:
            saved = actions.draft_send(**said)
        else:
            saved = actions.edit_send(send_id=send.pk, version=_version(request), **said)
        if request.POST.get("then") == "submit":
            saved = actions.submit_send(
                send_id=saved.pk, version=saved.version, by=request.user, now=said["now"]
            )
    return saved


@requires(Permission.SEND_PLAN, scope=Scope.SEND)
@require_POST
def plan_send(request: HttpRequest) -> HttpResponse:
    """Who would get it, who not and why; asked while composing, writes nothing."""
    form, now = PlanForm(request.POST, user=request.user), timezone.now()
    form.is_valid()
    chosen = form.cleaned_data
    to_groups = chosen.get("target") == MassSend.Target.GROUPS
    audience, groups = chosen.get("audience"), chosen.get("groups") or ()
    context = {"dry": None, "to_groups": to_groups}
    if (groups and to_groups) or (audience and not to_groups):
        at, material = chosen.get("send_at") or now, chosen_material(request)
        whom = {
            "audience_id": None if to_groups else audience.pk,
            "group_ids": [group.pk for group in groups] if to_groups else (),
        }
        context["dry"] = dry = dry_run(
            send_at=at,
            now=now,
            **whom,
            control_percent=0 if to_groups else chosen.get("control_percent") or 0,
            content_kind=chosen.get("content_kind") or ContentKind.PROMOTION,
            material=material,
            send_id=row_number(request.POST.get("send", "")) or None,
        )
        if material is not None:
            context["gaps"] = gaps_for(material, people_of(**whom), at=at)
        context["left_out"] = [(queries.reason_words(code), n) for code, n in dry.left_out]
        target = MassSend.Target.GROUPS if to_groups else MassSend.Target.CUSTOMERS
        context["put_off"] = put_off(actions.KIND[target], at=at, latest=actions.LATEST)
    return TemplateResponse(request, "crm/outreach/_plan.html", context)


@requires(Permission.SEND_VIEW, scope=Scope.SEND)
@require_GET
def send_detail(request: HttpRequest, send_id: int) -> HttpResponse:
    """What became of everybody, and what can be done now."""
    send = _send_or_404(request, send_id)
    return TemplateResponse(request, "crm/outreach/detail.html", _context(request, send))


@requires(Permission.SEND_PLAN, scope=Scope.SEND)
@require_POST
def submit_send(request: HttpRequest, send_id: int) -> HttpResponseBase:
    """Fix the plan and ask for approval."""

    def do(send: MassSend) -> MassSend:
        return actions.submit_send(version=_version(request), **_said(request, send))

    return _step(request, send_id, do, _("已提交，请另一位同事审批"))


@requires(Permission.SEND_APPROVE, scope=Scope.SEND)
@require_POST
def approve_send(request: HttpRequest, send_id: int) -> HttpResponseBase:
    """Approve what was seen."""
    seen = request.POST.get("content_hash", "")

    def do(send: MassSend) -> MassSend:
        return actions.approve_send(seen_hash=seen, **_said(request, send))

    return _step(request, send_id, do, _("已通过，到时间自动交给员工"))


@requires(Permission.SEND_APPROVE, scope=Scope.SEND)
@require_POST
def reject_send(request: HttpRequest, send_id: int) -> HttpResponseBase:
    """Send it back."""
    form = RejectForm(request.POST)
    reason = form.cleaned_data["reason"] if form.is_valid() else ""

    def do(send: MassSend) -> MassSend:
        return actions.reject_send(reason=reason, **_said(request, send))

    return _step(request, send_id, do, _("已退回给作者"))


@requires(Permission.SEND_PLAN, scope=Scope.SEND)
@require_POST
def stop_send(request: HttpRequest, send_id: int) -> HttpResponseBase:
    """Keep back what has not gone out."""

    def do(send: MassSend) -> MassSend:
        return actions.stop_send(**_said(request, send))

    return _step(request, send_id, do, _("已停止，未发出的不会再发"))


@requires(Permission.SEND_PLAN, scope=Scope.SEND)
@require_POST
def remind_send(request: HttpRequest, send_id: int) -> HttpResponseBase:
    """Remind agents who have not pressed send."""

    def do(send: MassSend) -> int:
        return remind_agents(**_said(request, send))

    return _step(request, send_id, do, _("已提醒还没有发送的员工"))


def _said(request: HttpRequest, send: MassSend) -> dict:
    return {"send_id": send.pk, "by": request.user, "now": timezone.now()}


def _step(
    request: HttpRequest, send_id: int, do: Callable[[MassSend], object], words: str
) -> HttpResponseBase:
    """Do it and go back to the page; a refusal is shown on it and changes nothing."""
    send = _send_or_404(request, send_id)
    try:
        do(send)
    except DomainError as refusal:
        send.refresh_from_db()
        context = _context(request, send) | {"refusal": str(refusal)}
        context["fill_at"] = material_to_fill(refusal)
        status = 409 if isinstance(refusal, actions.StaleSend) else 422
        return TemplateResponse(request, "crm/outreach/detail.html", context, status=status)
    outbox.ring()
    messages.success(request, words)
    return redirect("crm:outreach:detail", send.pk)


def _context(request: HttpRequest, send: MassSend) -> dict:
    user, page = request.user, queries.recipient_page(send, request.user, params=request.GET)
    return {
        "send": send,
        "level": queries.SEND_LEVELS.get(send.state, ""),
        "tally": queries.tally(send, user),
        "put_off": _put_off(send),
        "agents": queries.agent_rows(send, user),
        "page": page,
        "rows": [(row, queries.reason_of(row)) for row in page],
        "state": request.GET.get("state", ""),
        "scene": request.GET.get("scene", ""),
        "recipient_states": MassRecipient.State.choices,
        "may_edit": policies.can_edit_send(user, send),
        "may_submit": policies.can_edit_send(user, send) and send.state == MassSend.State.DRAFT,
        "may_approve": policies.can_approve_send(user, send),
        "may_stop": policies.can_stop_send(user, send),
        "may_see_queue": user.can(Permission.OUTBOX_VIEW),
        "laggards": laggards(send, user).count() if policies.can_remind(user, send) else 0,
        "may_judge": user.can(Permission.ANALYTICS_VIEW) and send.state in JUDGED,
        "reject_form": RejectForm(),
    }


def _put_off(send: MassSend) -> PutOff | None:
    """What quiet hours will make of a send that has not begun."""
    if send.state not in MassSend.STILL_HERE:
        return None
    return put_off(actions.KIND[send.target], at=send.send_at, latest=actions.LATEST)


JUDGED = (MassSend.State.SENDING, MassSend.State.SENT, MassSend.State.STOPPED)


def _send_or_404(request: HttpRequest, send_id: int) -> MassSend:
    seen = MassSend.objects.for_user(request.user).select_related(
        "audience", "created_by__agent", "picture"
    )
    return get_object_or_404(seen, pk=send_id)


def _version(request: HttpRequest) -> int:
    return row_number(request.POST.get("version", ""))
