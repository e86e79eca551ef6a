"""The list of groups and the page of one."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET

from crm.agents.access import Permission, Scope, requires
from crm.groups.charts import finding, joins_and_leaves_chart
from crm.groups.forms import GroupFilterForm
from crm.groups.models import Group
from crm.groups.queries import DEFAULT_SORT, group_days, group_page, member_page
from crm.shared.filters import search_box
from crm.shared.formatting import digits
from crm.shared.times import local_day

RANGES = (7, 30, 90)
DEFAULT_RANGE = 30


@requires(Permission.GROUP_VIEW, scope=Scope.GROUP)
@require_GET
def group_list(request: HttpRequest) -> HttpResponse:
    """Which groups grow, which go cold."""
    form = GroupFilterForm(request.GET, user=request.user)
    page = group_page(
        request.user,
        form.filter(),
        sort=request.GET.get("sort") or DEFAULT_SORT,
        params=request.GET,
        now=timezone.now(),
    )
    context = {
        "page": page,
        "sort": DEFAULT_SORT,
        "chips": form.chips(),
        "count": ngettext("%(n)s 个群", "%(n)s 个群", page.total) % {"n": digits(page.total)},
        "search": search_box(request.GET, _("群名或拼音")),
        "narrowed": form.is_narrowed,
        "clear_href": "?" if form.is_narrowed else "",
        "today": local_day(timezone.now()),
    }
    return TemplateResponse(request, "crm/groups/list.html", context)


@requires(Permission.GROUP_VIEW, scope=Scope.GROUP)
@require_GET
def group_detail(request: HttpRequest, group_id: int) -> HttpResponse:
    """Why is it growing or dying?"""
    seen = Group.objects.for_user(request.user).select_related("owner__department")
    group = get_object_or_404(seen, pk=group_id)
    asked = request.GET.get("days", "")
    length = int(asked) if asked in {str(n) for n in RANGES} else DEFAULT_RANGE
    past = request.GET.get("members") == "past"
    days = group_days(group, days=length, now=timezone.now())
    context = {
        "group": group,
        "days": days,
        "eventful": [day for day in reversed(days) if day.joins or day.leaves],
        "ranges": RANGES,
        "length": length,
        "finding": finding(days),
        "figure": joins_and_leaves_chart(group, days),
        "first": days[0].on,
        "last": days[-1].on,
        "joins": sum(day.joins for day in days),
        "leaves": sum(day.leaves for day in days),
        "past": past,
        "members": member_page(group, request.user, past=past, params=request.GET),
    }
    return TemplateResponse(request, "crm/groups/detail.html", context)
