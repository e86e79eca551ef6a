"""Whether what the pages show is what WeCom says."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST
from kombu.exceptions import OperationalError

from crm.agents.access import Permission, Scope, requires
from crm.agents.actions import audit
from crm.callbacks.notices import notices
from crm.callbacks.queries import inbox_health
from crm.shared.formatting import when
from crm.shared.http import go
from crm.shared.paging import keyset_page
from crm.sync import queries, tasks
from crm.sync.models import Repair, SyncObject
from crm.sync.words import state_words


@requires(Permission.SYNC_VIEW)
@require_GET
def health(request: HttpRequest) -> HttpResponse:
    """Each object with its last success, and the newest runs; polled while somebody looks."""
    now = timezone.now()
    found = queries.sync_health(now)
    context = {
        "health": found,
        "runs": queries.recent_runs(),
        "line": health_line(found),
        "inbox": inbox_health(now),
        "notices": notices(now),
        "reconcile": queries.last_reconcile(now),
        "differences": queries.differences(found, request.user),
    }
    fragment = request.headers.get("X-Changke-Poll") or request.headers.get("HX-Request")
    name = "_health.html" if fragment else "health.html"
    return TemplateResponse(request, f"crm/sync/{name}", context)


@requires(Permission.SYNC_VIEW, scope=Scope.CUSTOMER)
@require_GET
def repair_list(request: HttpRequest) -> HttpResponse:
    """What the sync put right, newest first, within the viewer's scope."""
    rows = queries.repairs(request.user, request.GET)
    page = keyset_page(rows, order=("-found_at",), params=request.GET)
    context = {
        "page": page,
        "rows": [(row, state_words(row.before), state_words(row.after)) for row in page],
        "tabs": _tabs(request),
        "kinds": Repair.Kind.choices,
        "kind": request.GET.get("kind", ""),
        "object": request.GET.get("object", ""),
        "is_filtered": any(request.GET.get(k) for k in ("object", "kind", "customer", "round")),
    }
    return TemplateResponse(request, "crm/sync/repairs.html", context)


def _tabs(request: HttpRequest) -> list[dict[str, object]]:
    counts = queries.repairs_by_object(request.user)
    current = request.GET.get("object", "")
    every = sum(n for _name, _label, n in counts)
    tabs = [{"label": _("全部"), "href": "?", "current": not current, "count": every}]
    return tabs + [
        {"label": label, "href": f"?object={name}", "current": current == name, "count": n}
        for name, label, n in counts
    ]


@requires(Permission.SYNC_VIEW)
@require_POST
def sync_now(request: HttpRequest) -> HttpResponseBase:
    """Ring for a sync of one object, or of all; a running one goes on undisturbed."""
    name = request.POST.get("object", "")
    if name and name not in SyncObject.values:
        messages.error(request, _("没有这个同步对象，请从列表中选择"))
        return go(request, "crm:sync:health")
    audit(request.user, "sync.now", now=timezone.now(), object=name)
    try:
        given = {"name": name, "user_id": request.user.pk}
        tasks.sync_now.apply_async(kwargs=given, retry=False)
    except OperationalError:
        messages.warning(request, _("后台暂时叫不应，最迟一分钟内自动开始"))
    else:
        messages.success(request, _("已开始同步"))
    return go(request, "crm:sync:health")


def health_line(found: queries.SyncHealth) -> str:
    """The whole state in one sentence."""
    if problem := found.first_problem:
        reason = problem.error or _("太久没有成功")
        return _("%(object)s同步异常：%(reason)s") % {"object": problem.label, "reason": reason}
    if found.complete_since is None:
        return _("首次同步进行中")
    return _("数据与企业微信一致，截至 %(time)s") % {"time": when(found.complete_since)}
