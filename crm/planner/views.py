"""The page of everything that goes out, and moving what has not begun to another day."""

from datetime import date, datetime, timedelta

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from crm.agents.access import Permission, Scope, requires
from crm.faces.models import Face
from crm.moments.actions import reschedule_moment
from crm.moments.models import Moment
from crm.moments.schedule import instant_of
from crm.moments.views import WEEKDAYS
from crm.outreach.actions import move_send
from crm.outreach.models import MassSend
from crm.planner.calendar import CHANNELS, MOMENT, entries, read_calendar
from crm.planner.occasions import next_occasions
from crm.shared.calendars import YEARS
from crm.shared.errors import DomainError
from crm.shared.http import row_number, safe_next
from crm.shared.times import corp_zone, local_day
from crm.slots.filling import settle

VIEWS = ("month", "week", "agenda")
AGENDA_DAYS, AGENDA_ROWS = 42, 100


@requires(Permission.SEND_VIEW, scope=Scope.SEND)
@require_GET
def calendar(request: HttpRequest) -> HttpResponse:
    """A month, a week or an agenda of Moments, sends, group posts and slots."""
    now = timezone.now()
    view = request.GET.get("view") if request.GET.get("view") in VIEWS else "month"
    on = _day(request.GET.get("on")) or local_day(now)
    channel, face = request.GET.get("channel", ""), _face(request)
    context = {
        "view": view,
        "on": on,
        "channel": channel,
        "channels": [(name, label, name == channel) for name, label in CHANNELS.items()],
        "face": face,
        "faces": list(Face.objects.live()),
        "weekdays": WEEKDAYS,
        "may_send": request.user.can(Permission.SEND_PLAN),
        "may_post": request.user.can(Permission.MOMENT_SCHEDULE),
        "ahead": next_occasions(local_day(now))[:8],
        "here": request.get_full_path(),
    }
    if view == "agenda":
        last = on + timedelta(days=AGENDA_DAYS - 1)
        asked = {"channels": [channel], "now": now, "face": face}
        found = entries(request.user, first=on, last=last, **asked)
        context["rows"] = found[:AGENDA_ROWS]
        # At least a day further on, however full the first one is.
        after = [entry for entry in found[AGENDA_ROWS:] if local_day(entry.at) > on]
        context["goes_on"] = local_day(after[0].at) if after else None
    else:
        context["calendar"] = read_calendar(
            request.user, view=view, on=on, channels=[channel], now=now, face=face
        )
    return TemplateResponse(request, "crm/planner/calendar.html", context)


@requires(Permission.SEND_VIEW, scope=Scope.SEND)
@require_POST
def move(request: HttpRequest) -> HttpResponseBase:
    """Move one entry to another day, at the same time of day."""
    day, version = _day(request.POST.get("day")), request.POST.get("version", "")
    number = request.POST.get("id", "")
    if day is None or not number.isdecimal() or not version.isdecimal():
        raise Http404
    try:
        _move(request, int(number), int(version), day)
    except DomainError as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("已改期"))
    return redirect(safe_next(request, "crm:planner:calendar"))


def _move(request: HttpRequest, number: int, version: int, day: date) -> None:
    now = timezone.now()
    if request.POST.get("channel") == MOMENT:
        settle(now=now)  # What is missed by now stays so, wherever its draft goes.
        moment = get_object_or_404(Moment.objects.for_user(request.user), pk=number)
        wall = datetime.fromisoformat(moment.publish_wall)
        reschedule_moment(
            moment_id=moment.pk,
            version=version,
            publish_wall=datetime.combine(day, wall.time()),
            by=request.user,
            now=now,
        )
        return
    send = get_object_or_404(MassSend.objects.for_user(request.user), pk=number)
    clock = send.send_at.astimezone(corp_zone()).time()
    move_send(
        send_id=send.pk,
        version=version,
        send_at=instant_of(datetime.combine(day, clock), settings.CORP_TIME_ZONE),
        by=request.user,
        now=now,
    )


def _face(request: HttpRequest) -> Face | None:
    return Face.objects.filter(pk=row_number(request.GET.get("face"))).first()


def _day(text: str | None) -> date | None:
    try:
        found = parse_date(text or "")
    except ValueError:
        return None
    return found if found and found.year in YEARS else None
