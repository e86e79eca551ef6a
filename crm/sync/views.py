"""Whether what the pages show is what WeCom says."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST
from kombu.exceptions import OperationalError

from crm.agents.access import Permission, requires
from crm.agents.actions import audit
from crm.shared.formatting import when
from crm.shared.http import go
from crm.sync import queries, tasks


@requires(Permission.SYNC_VIEW)
@require_GET
def health(request: HttpRequest) -> HttpResponse:
    """Each object with its last success, and the newest runs; polled while somebody looks."""
    found = queries.sync_health(timezone.now())
    context = {"health": found, "runs": queries.recent_runs(), "line": health_line(found)}
    fragment = request.headers.get("X-Changke-Poll") or request.headers.get("HX-Request")
    name = "_health.html" if fragment else "health.html"
    return TemplateResponse(request, f"crm/sync/{name}", context)


@requires(Permission.SYNC_VIEW)
@require_POST
def sync_now(request: HttpRequest) -> HttpResponseBase:
    """Ring for a sync; a running one goes on undisturbed."""
    audit(request.user, "sync.now", now=timezone.now())
    try:
        tasks.sync_now.apply_async(retry=False)
    except OperationalError:
        messages.warning(request, _("后台暂时叫不应，最迟一分钟内自动开始"))
    else:
        messages.success(request, _("已开始同步"))
    return go(request, "crm:sync:health")


def health_line(found: queries.SyncHealth) -> str:
    """The whole state in one sentence."""
    if problem := found.first_problem:
        reason = problem.error or _("超过一个半小时没有成功")
        return _("%(object)s同步异常：%(reason)s") % {"object": problem.label, "reason": reason}
    if found.complete_since is None:
        return _("首次同步进行中")
    return _("数据与企业微信一致，截至 %(time)s") % {"time": when(found.complete_since)}
