"""What is done to a moment by pressing a button; each answers with the page or goes back to it."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from crm.agents.access import Permission, Scope, requires
from crm.content.choosing import material_to_fill
from crm.moments import actions
from crm.moments.forms import RejectForm, WhenForm
from crm.moments.models import Moment
from crm.moments.reminders import remind_agents
from crm.moments.schedule import next_wall
from crm.moments.views import detail_context, moment_or_404
from crm.outbox import tasks as outbox
from crm.shared.errors import DomainError


@requires(Permission.MOMENT_SCHEDULE, scope=Scope.MOMENT)
@require_POST
def submit_moment(request: HttpRequest, moment_id: int) -> HttpResponseBase:
    """Ask for approval."""
    return _step(
        request,
        moment_id,
        lambda moment: actions.submit_moment(
            moment_id=moment.pk, version=_version(request), by=request.user, now=timezone.now()
        ),
        lambda done: _("已提交，请另一位同事审批"),
    )


@requires(Permission.MOMENT_APPROVE, scope=Scope.MOMENT)
@require_POST
def approve_moment(request: HttpRequest, moment_id: int) -> HttpResponseBase:
    """Approve what was seen."""
    return _step(
        request,
        moment_id,
        lambda moment: actions.approve_moment(
            moment_id=moment.pk,
            seen_hash=request.POST.get("content_hash", ""),
            by=request.user,
            now=timezone.now(),
        ),
        lambda done: _("已通过，到时间自动创建"),
    )


@requires(Permission.MOMENT_APPROVE, scope=Scope.MOMENT)
@require_POST
def reject_moment(request: HttpRequest, moment_id: int) -> HttpResponseBase:
    """Send it back."""
    form = RejectForm(request.POST)
    reason = form.cleaned_data["reason"] if form.is_valid() else ""
    return _step(
        request,
        moment_id,
        lambda moment: actions.reject_moment(
            moment_id=moment.pk, reason=reason, by=request.user, now=timezone.now()
        ),
        lambda done: _("已退回给作者"),
    )


@requires(Permission.MOMENT_SCHEDULE, scope=Scope.MOMENT)
@require_POST
def reschedule_moment(request: HttpRequest, moment_id: int) -> HttpResponseBase:
    """Move it to another time."""
    form = WhenForm(request.POST)

    def move(moment: Moment) -> Moment:
        if not form.is_valid():
            raise actions.NotAllowed(_("请填写完整的日期和时间"))
        return actions.reschedule_moment(
            moment_id=moment.pk,
            version=_version(request),
            publish_wall=form.cleaned_data["publish_wall"],
            by=request.user,
            now=timezone.now(),
        )

    return _step(request, moment_id, move, lambda done: _("已改期"))


@requires(Permission.MOMENT_SCHEDULE, scope=Scope.MOMENT)
@require_POST
def cancel_moment(request: HttpRequest, moment_id: int) -> HttpResponseBase:
    """Cancel it, or stop the agents who have not published."""
    return _step(
        request,
        moment_id,
        lambda moment: actions.cancel_moment(
            moment_id=moment.pk, by=request.user, now=timezone.now()
        ),
        lambda done: (
            _("已取消")
            if done.state == Moment.State.CANCELLED
            else _("正在请企业微信停止未发表的员工")
        ),
    )


@requires(Permission.MOMENT_SCHEDULE, scope=Scope.MOMENT)
@require_POST
def duplicate_moment(request: HttpRequest, moment_id: int) -> HttpResponseBase:
    """A copy for the same hour of the next day that has not begun."""
    now = timezone.now()

    def copy(moment: Moment) -> Moment:
        wall = next_wall(moment, now=now)
        return actions.duplicate_moment(
            moment_id=moment.pk, publish_wall=wall, by=request.user, now=now
        )

    return _step(
        request,
        moment_id,
        copy,
        lambda done: _("已复制为草稿，请改好时间再提交"),
        to="crm:moments:edit",
    )


@requires(Permission.MOMENT_SCHEDULE, scope=Scope.MOMENT)
@require_POST
def remind_moment(request: HttpRequest, moment_id: int) -> HttpResponseBase:
    """Remind one laggard, or all of them."""
    task = request.POST.get("task", "")
    chosen = [int(task)] if task.isdecimal() else None
    return _step(
        request,
        moment_id,
        lambda moment: remind_agents(
            moment_id=moment.pk, by=request.user, now=timezone.now(), task_ids=chosen
        ),
        lambda n: ngettext("正在提醒 %(n)s 位员工", "正在提醒 %(n)s 位员工", n) % {"n": n},
    )


def _step(
    request: HttpRequest,
    moment_id: int,
    do: Callable[[Moment], object],
    words: Callable[..., str],
    *,
    to: str = "crm:moments:detail",
) -> HttpResponseBase:
    """Do it and go back to the page; a refusal is shown on it and changes nothing."""
    moment = moment_or_404(request, moment_id)
    try:
        done = do(moment)
    except DomainError as refusal:
        moment.refresh_from_db()
        context = detail_context(request, moment) | {"refusal": str(refusal)}
        context["fill_at"] = material_to_fill(refusal)
        status = 409 if isinstance(refusal, actions.StaleMoment) else 422
        return TemplateResponse(request, "crm/moments/detail.html", context, status=status)
    outbox.ring()
    messages.success(request, words(done))
    return redirect(to, done.pk if isinstance(done, Moment) else moment.pk)


def _version(request: HttpRequest) -> int:
    given = request.POST.get("version", "")
    return int(given) if given.isdecimal() else 0
