"""The page that customers read, its pictures and buttons, and the addresses of an article."""

import uuid
from typing import Any

from csp.constants import NONE, SELF
from csp.decorators import csp
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from crm.agents.access import Permission, Scope, public, requires
from crm.articles import actions, queries
from crm.articles.forms import ArticleLinkForm, reading_from, view_from
from crm.articles.limits import MOST_BYTES, is_too_often
from crm.articles.models import ArticleLink
from crm.articles.queries import Standing
from crm.content.blocks import blocks_in
from crm.content.models import Material, MaterialPicture
from crm.content.showing import shown_blocks
from crm.customers.models import Customer
from crm.shared.errors import DomainError
from crm.shared.http import client_address, row_number
from crm.shared.pictures import picture_response

# Nothing from elsewhere, and no script but our own file.
STRICT = {
    "default-src": [NONE],
    "img-src": [SELF],
    "style-src": [SELF],
    "script-src": [SELF],
    "connect-src": [SELF],
    "base-uri": [NONE],
    "form-action": [NONE],
    "frame-ancestors": [NONE],
}


@public
@require_safe
@csp(STRICT)
def read_article(request: HttpRequest, code: str) -> HttpResponseBase:
    """The article for whoever holds its address; opening it is counted, looking at it ahead not."""
    if is_too_often(request):
        return HttpResponse(status=429, headers={"Retry-After": "60"})
    link, now = _link(code), timezone.now()
    if (standing := queries.standing_of(link, now=now)) != Standing.OPEN:
        return _gone(request, standing)
    view_id = None
    if request.method == "GET" and not _is_ahead(request):
        view_id = actions.note_opening(
            link=link,
            browser=request.headers.get("User-Agent", "")[:512],
            address=client_address(request),
            now=now,
        )
    return _quiet(TemplateResponse(request, "crm/articles/page.html", _page(link, view_id)))


def _page(link: ArticleLink, view_id: uuid.UUID | None) -> dict[str, Any]:
    def picture_url(picture: MaterialPicture) -> str:
        return reverse("crm:articles:picture", args=[link.code, picture.pk])

    def href(position: int) -> str:
        address = reverse("crm:articles:go", args=[link.code, position])
        return f"{address}?v={view_id}" if view_id else address

    cover = link.version.picture
    return {
        "title": link.version.link_title,
        "cover": cover,
        "cover_url": picture_url(cover) if cover else "",
        "blocks": shown_blocks(blocks_in(link.version), picture_url=picture_url, href=href),
        "view_id": view_id,
        "told_to": reverse("crm:articles:reading", args=[link.code]),
    }


@public
@require_safe
def article_picture(request: HttpRequest, code: str, picture_id: uuid.UUID) -> HttpResponseBase:
    """A picture of the page, and of no other."""
    link = _link(code)
    if queries.standing_of(link, now=timezone.now()) != Standing.OPEN:
        raise Http404
    found = queries.picture_at(link, picture_id)
    if found is None:
        raise Http404
    return picture_response(found.file.open("rb"), name=found.pk.hex, extension=found.extension)


@public
@require_safe
@csp(STRICT)
def follow_button(request: HttpRequest, code: str, position: int) -> HttpResponseBase:
    """On to where the button of the stored version leads; what the request says changes nothing."""
    if is_too_often(request):
        return HttpResponse(status=429, headers={"Retry-After": "60"})
    link, now = _link(code), timezone.now()
    if (standing := queries.standing_of(link, now=now)) != Standing.OPEN:
        return _gone(request, standing)
    target = actions.target_at(link, position)
    if not target:
        raise Http404
    view_id = view_from(request.GET.get("v", ""))
    if request.method == "GET" and view_id and not _is_ahead(request):
        actions.note_click(link=link, view_id=view_id, position=position, now=now)
    return _quiet(HttpResponseRedirect(target))


@csrf_exempt
@public
@require_POST
def note_reading(request: HttpRequest, code: str) -> HttpResponseBase:
    """What the script of a page tells of its reading; anything else is passed over in silence.

    Without a token of the form: it changes one number of one opening, which only its page knows.
    """
    if is_too_often(request):
        return HttpResponse(status=429, headers={"Retry-After": "60"})
    length = request.META.get("CONTENT_LENGTH") or ""
    if not (length.isascii() and length.isdigit()) or int(length) > MOST_BYTES:
        return HttpResponse(status=413)
    link, said = _link(code), reading_from(request.body)
    if said is not None:
        actions.note_reading(
            link=link,
            view_id=said["view"],
            visible_ms=said["ms"],
            depth=said["depth"],
            now=timezone.now(),
        )
    return HttpResponse(status=204)


@requires(Permission.CONTENT_VIEW, scope=Scope.OWN)
@require_http_methods(["GET", "HEAD", "POST"])
def article_links(request: HttpRequest, material_id: int) -> HttpResponseBase:
    """The addresses of an article with what was counted; POST makes one."""
    material = get_object_or_404(Material.objects.for_user(request.user), pk=material_id)
    if material.kind != Material.Kind.ARTICLE:
        return redirect("crm:content:detail", material.pk)
    customer = _customer(request)
    initial = {"place": ArticleLink.Place.CHAT if customer else ArticleLink.Place.SEND}
    form = ArticleLinkForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            _made(request, material, customer, form)
        except DomainError as refused:
            form.add_error(refused.field if refused.field in form.fields else None, str(refused))
        else:
            messages.success(request, _("已生成"))
            return redirect(request.get_full_path())
    rows = [(link, queries.address_of(link)) for link in queries.links_of(request.user, material)]
    context = {
        "material": material,
        "customer": customer,
        "rows": rows,
        "form": form,
        "may_see_results": request.user.can(Permission.ANALYTICS_VIEW),
        "may_close": request.user.can(Permission.CONTENT_EDIT),
        "may_send": request.user.can(Permission.SEND_PLAN)
        and queries.standing_link(material, ArticleLink.Place.SEND) is not None,
        "may_post": request.user.can(Permission.MOMENT_SCHEDULE)
        and queries.standing_link(material, ArticleLink.Place.MOMENTS) is not None,
        "read_seconds": actions.READ_SECONDS,
        "end_seconds": actions.END_SECONDS,
    }
    status = 422 if request.method == "POST" else 200
    return TemplateResponse(request, "crm/articles/links.html", context, status=status)


def _made(
    request: HttpRequest, material: Material, customer: Customer | None, form: ArticleLinkForm
) -> ArticleLink:
    return actions.make_link(
        material=material,
        customer=customer,
        agent=request.user.agent if customer else None,
        by=request.user,
        now=timezone.now(),
        **form.cleaned_data,
    )


@requires(Permission.CONTENT_EDIT, scope=Scope.OWN)
@require_POST
def close_link(request: HttpRequest, material_id: int) -> HttpResponseBase:
    """One address says from now on that it was taken back."""
    material = get_object_or_404(Material.objects.for_user(request.user), pk=material_id)
    rows = ArticleLink.objects.for_user(request.user).filter(version__material=material)
    if link := rows.filter(pk=row_number(request.POST.get("link"))).first():
        actions.close_link(link=link, by=request.user, now=timezone.now())
        messages.success(request, _("已停用"))
    return redirect("crm:articles:links", material.pk)


def _link(code: str) -> ArticleLink:
    if (link := queries.link_at(code)) is None:
        raise Http404
    return link


def _gone(request: HttpRequest, standing: Standing) -> HttpResponseBase:
    context = {"is_expired": standing == Standing.EXPIRED}
    return _quiet(TemplateResponse(request, "crm/articles/gone.html", context, status=410))


def _quiet(response: HttpResponseBase) -> HttpResponseBase:
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


def _is_ahead(request: HttpRequest) -> bool:
    """Whether a browser fetches the page before anybody asked for it."""
    said = f"{request.headers.get('Sec-Purpose', '')} {request.headers.get('Purpose', '')}"
    return "prefetch" in said or "preview" in said


def _customer(request: HttpRequest) -> Customer | None:
    pk = row_number(request.GET.get("customer", ""))
    return Customer.objects.for_user(request.user).filter(pk=pk).first() if pk else None
