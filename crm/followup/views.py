"""The queue, its file, and the next step with one customer."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from crm.agents.access import Permission, Role, Scope, requires
from crm.customers.models import Customer
from crm.followup import actions, queries
from crm.followup.models import FollowUp
from crm.followup.scoring import HAS_PAID, MOST_OVERDUE, WEIGHTS
from crm.shared.errors import DomainError
from crm.shared.http import safe_next
from crm.shared.sheets import csv_response
from crm.shared.times import local_day


@requires(Permission.FOLLOW_UP, scope=Scope.CUSTOMER)
@require_GET
def queue(request: HttpRequest) -> HttpResponse:
    """Whom to turn to, in the order of the published score."""
    parts = queries.queue(request.user, now=timezone.now())
    context = {
        "parts": parts,
        "is_empty": not any(part.total for part in parts),
        "shows_agent": request.user.role != Role.AGENT,
        "weights": [(FollowUp.Reason(reason).label, points) for reason, points in WEIGHTS.items()],
        "most_overdue": MOST_OVERDUE,
        "has_paid": HAS_PAID,
        "snooze_days": actions.SNOOZE_DAYS,
        "here": request.get_full_path(),
        "may_export": request.user.can(Permission.EXPORT),
    }
    return TemplateResponse(request, "crm/followup/queue.html", context)


@requires(Permission.FOLLOW_UP, scope=Scope.CUSTOMER)
@require_GET
def next_step(request: HttpRequest, customer_id: int) -> HttpResponse:
    """The part of a profile that says what to do next, or why nothing."""
    customer = get_object_or_404(Customer.objects.for_user(request.user), pk=customer_id)
    back = request.GET.get("next", "")
    context = {
        "customer": customer,
        "item": queries.next_for(request.user, customer.pk, now=timezone.now()),
        "is_left_in_peace": queries.is_left_in_peace(customer),
        "snooze_days": actions.SNOOZE_DAYS,
        "here": back if back.startswith("/customers/") else "",
    }
    return TemplateResponse(request, "crm/followup/_next.html", context)


@requires(Permission.FOLLOW_UP, scope=Scope.CUSTOMER)
@require_POST
def complete(request: HttpRequest, follow_up_id: int) -> HttpResponseBase:
    """Done."""
    return _step(request, follow_up_id, actions.complete, _("已完成，从队列中移除"))


@requires(Permission.FOLLOW_UP, scope=Scope.CUSTOMER)
@require_POST
def skip(request: HttpRequest, follow_up_id: int) -> HttpResponseBase:
    """Better left; the reason is kept."""
    reason = request.POST.get("reason", "")
    return _step(request, follow_up_id, actions.skip, _("已跳过"), reason=reason)


@requires(Permission.FOLLOW_UP, scope=Scope.CUSTOMER)
@require_POST
def snooze(request: HttpRequest, follow_up_id: int) -> HttpResponseBase:
    """Not now."""
    days = request.POST.get("days", "")
    number = int(days) if days.isdecimal() and len(days) < 4 else 0
    return _step(request, follow_up_id, actions.snooze, _("已推迟"), days=number)


def _step(
    request: HttpRequest, follow_up_id: int, act: Any, words: str, **given: Any
) -> HttpResponseBase:
    item = get_object_or_404(FollowUp.objects.for_user(request.user), pk=follow_up_id)
    try:
        act(item_id=item.pk, by=request.user, now=timezone.now(), **given)
    except DomainError as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, words)
    return redirect(safe_next(request, "crm:followup:queue"))


@requires(Permission.EXPORT, scope=Scope.CUSTOMER, audit=True)
@require_GET
def export(request: HttpRequest) -> HttpResponseBase:
    """The queue as a file, without phone numbers."""
    now = timezone.now()
    header = [_("客户"), _("员工"), _("原因"), _("依据"), _("应跟进时间"), _("分数")]
    rows = (
        [
            row.customer.name,
            row.agent.name,
            row.get_reason_display(),
            row.evidence,
            row.due,
            row.score,
        ]
        for part in queries.queue(request.user, now=now)
        for row in part.rows
    )
    return csv_response(f"follow-ups-{local_day(now)}.csv", header, rows)
