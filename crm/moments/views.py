"""Pages of moments: calendar, compose, one post, its people, its pictures."""

import uuid
from datetime import date, datetime

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from crm.agents.access import Permission, Scope, requires
from crm.content.choosing import chosen_material, material_to_fill
from crm.moments import actions, policies, queries
from crm.moments.audience import already_full, plan
from crm.moments.calendar import entries, read_calendar
from crm.moments.content import TEXT_BYTES, MomentRejected
from crm.moments.forms import (
    AudienceForm,
    MomentForm,
    RejectForm,
    WallTimeField,
    WhenForm,
    default_wall,
)
from crm.moments.gate import kept_words, words_on
from crm.moments.models import Moment, MomentImage
from crm.moments.schedule import instant_of
from crm.outbox.arbiter import PutOff, put_off
from crm.shared.calendars import YEARS
from crm.shared.errors import DomainError
from crm.shared.http import STOP_POLLING, is_htmx
from crm.shared.paging import keyset_page
from crm.shared.pictures import picture_response
from crm.shared.times import local_day

VIEWS = ("month", "week", "list")
LIST_DAYS = 42
WEEKDAYS = (
    *(gettext_lazy("周一"), gettext_lazy("周二"), gettext_lazy("周三"), gettext_lazy("周四")),
    *(gettext_lazy("周五"), gettext_lazy("周六"), gettext_lazy("周日")),
)
PEOPLE = ("planned", "visible", "liked", "commented")


@requires(Permission.MOMENT_VIEW, scope=Scope.MOMENT)
@require_GET
def moment_calendar(request: HttpRequest) -> HttpResponse:
    """What goes out when: a month, a week, or a list."""
    now = timezone.now()
    view = request.GET.get("view") if request.GET.get("view") in VIEWS else "month"
    on = _date(request.GET.get("on")) or local_day(now)
    state = request.GET.get("state", "")
    context = {"view": view, "on": on, "today": local_day(now), "state": state}
    context["may_schedule"] = request.user.can(Permission.MOMENT_SCHEDULE)
    context["states"] = [(s.value, s.label, s.value == state) for s in Moment.State]
    context["waiting"] = _waiting(request)
    context["weekdays"] = WEEKDAYS
    if view == "list":
        last = date.fromordinal(on.toordinal() + LIST_DAYS)
        context["rows"] = entries(request.user, first=on, last=last, states=[state], now=now)
        context["last"] = last
    else:
        context["calendar"] = read_calendar(request.user, view=view, on=on, states=[state], now=now)
    return TemplateResponse(request, "crm/moments/calendar.html", context)


@requires(Permission.MOMENT_SCHEDULE, scope=Scope.MOMENT)
@require_http_methods(["GET", "HEAD", "POST"])
def compose_moment(request: HttpRequest, moment_id: int | None = None) -> HttpResponseBase:
    """Write a new moment, or change one that WeCom does not have yet."""
    now, moment = timezone.now(), None
    if moment_id is not None:
        moment = get_object_or_404(Moment.objects.for_user(request.user), pk=moment_id)
        if not policies.can_edit_moment(request.user, moment):
            return redirect("crm:moments:detail", moment.pk)
    initial = {} if moment else {"publish_wall": default_wall(_date(request.GET.get("on")), now)}
    material = chosen_material(request, moment)
    form = MomentForm(
        request.POST or None,
        request.FILES or None,
        user=request.user,
        moment=moment,
        material=material,
        initial=initial,
    )
    status, fill_at = 200, None
    if request.method == "POST":
        form.store_uploads()
        status = 422
        if form.is_valid():
            try:
                saved = _save(request, form, moment)
            except DomainError as refusal:
                form.add_error(_known(form, refusal.field), str(refusal))
                fill_at = material_to_fill(refusal)
                status = 409 if isinstance(refusal, actions.StaleMoment) else 422
            else:
                return redirect("crm:moments:detail", saved.pk)
    context = {"form": form, "moment": moment, "version": _version(request, moment)}
    context |= {"material": material, "fill_at": fill_at}
    context["text_bytes"] = TEXT_BYTES
    context["lessons"] = queries.lessons_before(moment) if moment else ()
    return TemplateResponse(request, "crm/moments/compose.html", context, status=status)


def _save(request: HttpRequest, form: MomentForm, moment: Moment | None) -> Moment:
    now = timezone.now()
    with transaction.atomic():
        if moment is None:
            saved = actions.draft_moment(content=form.content(), by=request.user, now=now)
        else:
            version = _version(request, moment)
            saved = actions.edit_moment(
                moment_id=moment.pk,
                version=version,
                content=form.content(),
                by=request.user,
                now=now,
            )
        if request.POST.get("then") == "submit":
            saved = actions.submit_moment(
                moment_id=saved.pk, version=saved.version, by=request.user, now=now
            )
    return saved


@requires(Permission.MOMENT_SCHEDULE, scope=Scope.MOMENT)
@require_POST
def plan_moment(request: HttpRequest) -> HttpResponse:
    """Who would get the task and how many customers could see it; asked while composing."""
    form = AudienceForm(request.POST, user=request.user)
    form.is_valid()
    choice, now = form.choice(), timezone.now()
    planned = plan(choice, within=request.user)
    full = already_full(choice, [share.agent.pk for share in planned.shares], now=now)
    agents = [share.agent.pk for share in planned.shares]
    context = {"plan": planned, "full": full, "top": planned.shares[:8]}
    context["gate"] = words_on(choice, agents, at=_planned_at(request, now))
    context |= {"absent": planned.absent[:5], "idle": len(planned.idle)}
    return TemplateResponse(request, "crm/moments/_plan.html", context)


@requires(Permission.MOMENT_VIEW, scope=Scope.MOMENT)
@require_GET
def moment_detail(request: HttpRequest, moment_id: int) -> HttpResponse:
    """Who posted, who has not, and what came of it."""
    moment = moment_or_404(request, moment_id)
    return TemplateResponse(request, "crm/moments/detail.html", detail_context(request, moment))


@requires(Permission.MOMENT_VIEW, scope=Scope.MOMENT)
@require_GET
def moment_live(request: HttpRequest, moment_id: int) -> HttpResponse:
    """The moving part of the page; asking ends when nothing can change any more."""
    moment = moment_or_404(request, moment_id)
    over = moment.state in (Moment.State.DONE, Moment.State.FAILED, Moment.State.CANCELLED)
    return TemplateResponse(
        request,
        "crm/moments/_live.html",
        live_context(request, moment),
        status=STOP_POLLING if over else 200,
    )


@requires(Permission.MOMENT_VIEW, scope=Scope.MOMENT)
@require_GET
def moment_people(request: HttpRequest, moment_id: int) -> HttpResponse:
    """The customers behind a number."""
    moment = moment_or_404(request, moment_id)
    of = request.GET.get("of") if request.GET.get("of") in PEOPLE else "visible"
    task = request.GET.get("task", "")
    people = queries.people_of(
        moment, request.user, of=of, task_id=int(task) if task.isdecimal() else None
    )
    page = keyset_page(people, order=("name_sort",), params=request.GET, size=50)
    titles = {
        "planned": _("计划可见的客户"),
        "visible": _("可见的客户"),
        "liked": _("点赞的客户"),
        "commented": _("评论的客户"),
    }
    context = {"moment": moment, "page": page, "title": titles[of]}
    template = "_people.html" if is_htmx(request) else "people.html"
    return TemplateResponse(request, f"crm/moments/{template}", context)


@requires(Permission.MOMENT_VIEW, scope=Scope.MOMENT)
@require_GET
def moment_image(request: HttpRequest, image_id: uuid.UUID) -> HttpResponseBase:
    """A picture, never as a page of ours."""
    image = get_object_or_404(MomentImage.objects.for_user(request.user), pk=image_id)
    return picture_response(image.file.open("rb"), name=image.pk.hex, extension=image.extension)


def moment_or_404(request: HttpRequest, moment_id: int) -> Moment:
    """A moment within the viewer's scope; foreign and missing are the same."""
    seen = Moment.objects.for_user(request.user).select_related(
        "created_by__agent", "approved_by__agent", "submitted_by__agent"
    )
    return get_object_or_404(seen, pk=moment_id)


def live_context(request: HttpRequest, moment: Moment) -> dict:
    """State, stages, figures and the table of agents."""
    results = queries.read_results(moment, request.user)
    page, rows = queries.task_page(moment, request.user, request.GET)
    return {
        "moment": moment,
        "level": queries.level_of(moment),
        "results": results,
        "steps": queries.steps_of(moment, results),
        "page": page,
        "rows": rows,
        "call": queries.call_of(moment),
        "missed": moment.publish_at <= timezone.now()
        and moment.state in (Moment.State.DRAFT, Moment.State.WAITING),
        "may_remind": policies.can_remind(request.user, moment) and results.outstanding > 0,
        "may_see_queue": request.user.can(Permission.OUTBOX_VIEW),
        "people_url": reverse("crm:moments:people", args=[moment.pk]),
    }


def detail_context(request: HttpRequest, moment: Moment) -> dict:
    """The whole page: the live part, the preview, what this viewer may do, the trail."""
    user = request.user
    images = list(moment.images.all())
    tags = moment.tags.select_related("group")
    return live_context(request, moment) | {
        "pictures": [image for image in images if not image.is_cover],
        "cover": next((image for image in images if image.is_cover), None),
        "tags": [f"{tag.group.name} · {tag.name}" for tag in tags],
        "departments": [d.name for d in moment.sender_departments.all()],
        "senders": [agent.name for agent in moment.senders.all()[:20]],
        "may_edit": policies.can_edit_moment(user, moment),
        "may_submit": moment.state == Moment.State.DRAFT and user.can(Permission.MOMENT_SCHEDULE),
        "may_cancel": policies.can_cancel_moment(user, moment),
        "may_approve": policies.can_approve_moment(user, moment),
        "may_judge": user.can(Permission.ANALYTICS_VIEW) and bool(moment.wecom_moment_id),
        "may_copy": user.can(Permission.MOMENT_SCHEDULE),
        "is_author": policies.is_author(user, moment),
        "put_off": _put_off(moment),
        "deeds": queries.deeds_of(moment),
        "gate": kept_words(moment),
        "when_form": WhenForm(
            initial={"publish_wall": moment.publish_wall, "version": moment.version}
        ),
        "reject_form": RejectForm(),
    }


def _put_off(moment: Moment) -> PutOff | None:
    """What quiet hours will make of a post that WeCom does not have yet."""
    if moment.state not in (Moment.State.DRAFT, Moment.State.WAITING, Moment.State.APPROVED):
        return None
    return put_off("moment.create", at=moment.publish_at, latest=actions.LATEST)


def _known(form: MomentForm, field: str | None) -> str | None:
    return field if field in form.fields else None


def _waiting(request: HttpRequest) -> int:
    if not request.user.can(Permission.MOMENT_APPROVE):
        return 0
    return queries.waiting_for(request.user).count()


def _planned_at(request: HttpRequest, now: datetime) -> datetime:
    """The instant that is being filled in; now, until it can be read or where it is over."""
    try:
        wall = WallTimeField(required=False).clean(request.POST.get("publish_wall", ""))
        return max(instant_of(wall, settings.CORP_TIME_ZONE), now) if wall else now
    except (ValidationError, MomentRejected):
        return now


def _date(text: str | None) -> date | None:
    try:
        day = parse_date(text) if text else None
    except ValueError:
        return None
    return day if day and day.year in YEARS else None


def _version(request: HttpRequest, moment: Moment | None) -> int:
    given = request.POST.get("version", "")
    return int(given) if given.isdecimal() else (moment.version if moment else 1)
