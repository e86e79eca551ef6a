"""The gate's rules as operators see them, and a month judged again under rules to come."""

from datetime import date, datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods

from crm.agents.access import Permission, Scope, requires
from crm.customers.disclosure import export_customers, export_header
from crm.customers.models import Customer
from crm.customers.queries import DEFAULT_SORT
from crm.gate.scene import scene_at
from crm.outbox.queries import quiet_hours_known
from crm.outreach import queries, replaying, tasks
from crm.outreach.actions import LATEST
from crm.outreach.models import Replay, ReplayStop
from crm.outreach.replaying import ReplayRefused
from crm.shared.errors import DomainError
from crm.shared.http import STOP_POLLING
from crm.shared.paging import keyset_page
from crm.shared.sheets import csv_response

NOW = "now"


class ReplayForm(forms.Form):
    """Which month, and under whose rules: those of now, or those from a date to come."""

    month = forms.ChoiceField(label=gettext_lazy("月份"))
    as_of = forms.ChoiceField(label=gettext_lazy("按哪一天起的规则"))

    def __init__(self, *args: Any, now: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        months = replaying.months_with_sends(now)
        self.fields["month"].choices = [(f"{month:%Y-%m}", f"{month:%Y-%m}") for month in months]
        self.changes = {
            rule.valid_from.isoformat(): rule.valid_from for rule in replaying.rules_known(now)[1]
        }
        dates = [
            (key, f"{timezone.localtime(at):%Y-%m-%d %H:%M}") for key, at in self.changes.items()
        ]
        self.fields["as_of"].choices = [*dates, (NOW, _("现在"))]

    def chosen(self, now: datetime) -> tuple[date, datetime]:
        """The month and the instant whose rules are meant."""
        month = date.fromisoformat(f"{self.cleaned_data['month']}-01")
        return month, self.changes.get(self.cleaned_data["as_of"], now)


@requires(Permission.SEND_PLAN)
@require_http_methods(["GET", "POST"])
def rule_list(request: HttpRequest) -> HttpResponseBase:
    """Rules in force and to come; POST replays a month."""
    now = timezone.now()
    form = ReplayForm(request.POST or None, now=now)
    if request.method == "POST" and form.is_valid():
        month, as_of = form.chosen(now)
        try:
            replay = replaying.start_replay(month=month, as_of=as_of, by=request.user, now=now)
        except ReplayRefused as refusal:
            form.add_error(refusal.field, str(refusal))
        else:
            tasks.ring_replay(replay.job_id)
            return redirect("crm:outreach:replay", replay.pk)
    in_force, to_come = replaying.rules_known(now)
    reached, outside = queries.outside_lately(request.user, now=now)
    context = {
        "reached": reached,
        "outside": outside,
        "outside_share": outside / reached if reached else None,
        "scene": scene_at(now),
        "quiet_hours": quiet_hours_known(now),
        "latest_hours": LATEST // timedelta(hours=1),
        "in_force": in_force,
        "to_come": to_come,
        "form": form,
        "page": keyset_page(
            Replay.objects.select_related("job", "made_by__agent"),
            order=("-made_at",),
            params=request.GET,
        ),
        "may_configure": request.user.can(Permission.CONFIGURE),
    }
    status = 422 if request.method == "POST" else 200
    return TemplateResponse(request, "crm/outreach/rules.html", context, status=status)


@requires(Permission.SEND_PLAN, scope=Scope.CUSTOMER)
@require_GET
def replay_detail(request: HttpRequest, replay_id: int) -> HttpResponse:
    """What would have been stopped, by rule, and whom."""
    replay = get_object_or_404(Replay.objects.select_related("job"), pk=replay_id)
    rule = request.GET.get("rule", "")[:48]
    stops = _stops(request, replay).select_related("customer", "send")
    page = keyset_page(stops, order=("pk",), params=request.GET)
    context = _figures(request, replay) | {
        "rule": rule,
        "page": page,
        "rows": [(stop, queries.reason_words(stop.reason)) for stop in page],
        "may_export": request.user.can(Permission.EXPORT),
        "query": request.GET.urlencode(),
    }
    return TemplateResponse(request, "crm/outreach/replay.html", context)


@requires(Permission.SEND_PLAN, scope=Scope.CUSTOMER)
@require_GET
def replay_live(request: HttpRequest, replay_id: int) -> HttpResponse:
    """The figures alone, asked for while the job runs."""
    replay = get_object_or_404(Replay.objects.select_related("job"), pk=replay_id)
    context = _figures(request, replay)
    status = 200 if context["is_running"] else STOP_POLLING
    return TemplateResponse(request, "crm/outreach/_replay.html", context, status=status)


@requires(Permission.SEND_PLAN, scope=Scope.CUSTOMER, audit=True)
@require_GET
def export_replay(request: HttpRequest, replay_id: int) -> HttpResponseBase:
    """The people who would have been spared something, as a file."""
    if not request.user.can(Permission.EXPORT):
        raise PermissionDenied
    replay = get_object_or_404(Replay, pk=replay_id)
    people = Customer.objects.for_user(request.user).filter(
        pk__in=_stops(request, replay).values("customer_id")
    )
    try:
        rows = export_customers(
            people,
            sort=DEFAULT_SORT,
            by=request.user,
            now=timezone.now(),
            action="replay.export",
        )
    except DomainError as refusal:
        context = {"title": _("没有导出"), "text": str(refusal), "query": ""}
        return TemplateResponse(request, "crm/customers/refused.html", context, status=422)
    return csv_response(f"replay-{replay.month:%Y-%m}.csv", export_header(), rows)


def _stops(request: HttpRequest, replay: Replay) -> Any:
    """Stopped touches of people in scope, of one rule if one is asked for."""
    found = ReplayStop.objects.for_user(request.user).filter(replay=replay)
    if rule := request.GET.get("rule", "")[:48]:
        found = found.filter(rule=rule)
    return found


def _figures(request: HttpRequest, replay: Replay) -> dict[str, Any]:
    by_rule = replaying.stops_by_rule(replay, request.user)
    return {
        "replay": replay,
        "is_running": bool(replay.job and replay.job.is_unfinished),
        "touches": replaying.touches_in(replay, request.user),
        "stopped": sum(row["touches"] for row in by_rule),
        "by_rule": [row | {"words": queries.reason_words(row["reason"])} for row in by_rule],
    }
