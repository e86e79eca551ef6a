"""The list of links, one link, and the way through."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import (
    require_GET,
    require_http_methods,
    require_POST,
    require_safe,
)

from crm.agents.access import Permission, Scope, public, requires
from crm.links import actions, queries
from crm.links.forms import LinkForm
from crm.links.models import ShortLink
from crm.shared.errors import DomainError
from crm.shared.http import client_address
from crm.shared.paging import keyset_page
from crm.shared.sheets import sheet_response
from crm.shared.times import local_day


@requires(Permission.CONTENT_VIEW, scope=Scope.OWN)
@require_http_methods(["GET", "HEAD", "POST"])
def link_list(request: HttpRequest) -> HttpResponseBase:
    """All links with what was counted; POST makes one."""
    may_make = request.user.can(Permission.CONTENT_EDIT)
    form = LinkForm(request.POST or None)
    if request.method == "POST" and may_make and form.is_valid():
        try:
            made = actions.make_link(by=request.user, now=timezone.now(), **form.cleaned_data)
        except DomainError as refused:
            form.add_error(refused.field if refused.field in form.fields else None, str(refused))
        else:
            return redirect("crm:links:detail", made.pk)
    page = keyset_page(queries.links(request.user), order=("-made_at",), params=request.GET)
    rows = [(link, actions.address_of(link)) for link in page]
    context = {"page": page, "rows": rows, "form": form if may_make else None}
    status = 422 if request.method == "POST" else 200
    return TemplateResponse(request, "crm/links/list.html", context, status=status)


@requires(Permission.CONTENT_VIEW, scope=Scope.OWN)
@require_GET
def link_detail(request: HttpRequest, link_id: int) -> HttpResponse:
    """Where it leads, and its days."""
    link = get_object_or_404(queries.links(request.user).select_related("made_by"), pk=link_id)
    context = {
        "link": link,
        "address": actions.address_of(link),
        "days": queries.days_of(link, now=timezone.now()),
        "may_close": link.closed_at is None and request.user.can(Permission.CONTENT_EDIT),
        "may_export": request.user.can(Permission.EXPORT),
    }
    return TemplateResponse(request, "crm/links/detail.html", context)


@requires(Permission.EXPORT, scope=Scope.OWN, audit=True)
@require_GET
def export_days(request: HttpRequest, link_id: int) -> HttpResponseBase:
    """The days of a link as a file."""
    link = get_object_or_404(ShortLink.objects.for_user(request.user), pk=link_id)
    now = timezone.now()
    header = [_("日期"), _("打开次数"), _("打开人次（按设备和天）")]
    rows = ([row.on, row.opened, row.visitors] for row in queries.days_of(link, now=now))
    name = f"link-{link.code}-{local_day(now)}"
    return sheet_response(name, header, rows, kind=request.GET.get("format", ""))


@requires(Permission.CONTENT_EDIT, scope=Scope.OWN)
@require_POST
def close_link(request: HttpRequest, link_id: int) -> HttpResponseBase:
    """It leads nowhere from now on."""
    link = get_object_or_404(ShortLink.objects.for_user(request.user), pk=link_id)
    actions.close_link(link=link, by=request.user, now=timezone.now())
    messages.success(request, _("已停用"))
    return redirect("crm:links:detail", link.pk)


@public
@require_safe
def go(request: HttpRequest, code: str) -> HttpResponseBase:
    """On to the target that the link was made for; what the request says changes nothing."""
    link = queries.leading(code)
    if link is None:
        raise Http404
    if request.method == "GET":
        actions.note_click(
            link=link,
            browser=request.headers.get("User-Agent", "")[:512],
            address=client_address(request),
            now=timezone.now(),
        )
    response = HttpResponseRedirect(link.target)
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    return response
