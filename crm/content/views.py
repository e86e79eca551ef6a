"""The library, one material, and the steps to gold."""

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from crm.agents.access import Permission, Scope, requires
from crm.content import actions, queries, records, trying
from crm.content.actions import MaterialContent
from crm.content.blocks import blocks_of
from crm.content.cards import FACT_OF, card_values, price_of, title_of
from crm.content.forms import MaterialForm
from crm.content.linting import Finding, findings_of, sizes_of
from crm.content.models import CardFact, Material, MaterialPicture
from crm.content.requirements import gaps
from crm.content.showing import ShownBlock, shown_blocks
from crm.content.variables import has_variables, told, values_of
from crm.customers.models import Customer
from crm.shared.errors import DomainError
from crm.shared.filters import search_box
from crm.shared.http import row_number
from crm.shared.pictures import picture_response
from crm.shared.sheets import sheet_response
from crm.shared.times import local_day

MOST_WORDS = 20


@requires(Permission.CONTENT_VIEW, scope=Scope.OWN)
@require_GET
def library(request: HttpRequest) -> HttpResponse:
    """Materials and scripts; with ``customer`` the scripts are filled in for that person."""
    now, customer = timezone.now(), _customer(request)
    page = queries.material_page(request.user, request.GET)
    context = {
        "page": page,
        "rows": queries.rows_of(page, customer, request.user.agent, now),
        "customer": customer,
        "topics": queries.topics(request.user),
        "kinds": Material.Kind.choices,
        "tiers": Material.Tier.choices,
        "search": search_box(request.GET, _("名称、文字或主题")),
        "asked": {name: request.GET.get(name, "") for name in (*queries.FILTERS, "archived")},
        "narrowed": any(request.GET.get(n) for n in ("q", *queries.FILTERS, "archived")),
        "may_approve": request.user.can(Permission.CONTENT_APPROVE),
        "may_export": request.user.can(Permission.EXPORT),
        "query": _conditions(request),
    }
    return TemplateResponse(request, "crm/content/list.html", context)


@requires(Permission.EXPORT, scope=Scope.OWN, audit=True)
@require_GET
def export_materials(request: HttpRequest) -> HttpResponseBase:
    """The list as a file, with the conditions of the address."""
    rows = records.lines(queries.all_materials(request.user, request.GET))
    header = [str(label) for label in records.COLUMNS.values()]
    name = f"materials-{local_day(timezone.now())}"
    return sheet_response(name, header, rows, kind=request.GET.get("format", ""))


@requires(Permission.CONTENT_VIEW, scope=Scope.OWN)
@require_GET
def material_detail(request: HttpRequest, material_id: int) -> HttpResponse:
    """What it says as the customer reads it, what is wrong with it, versions and uses."""
    return _detail(request, _material(request, material_id))


def _detail(request: HttpRequest, material: Material, *, refusal: str = "") -> HttpResponse:
    user, customer = request.user, _customer(request)
    values = values_of(customer, user.agent) if customer else {}
    now, in_all = timezone.now(), told(material.text, card_values(material))
    is_expired = material.expires_on is not None and material.expires_on < local_day(now)
    # What is filled in for one person cannot be said to many.
    is_usable = not (material.is_archived or is_expired or has_variables(in_all))
    is_article = material.kind == Material.Kind.ARTICLE
    card = card_values(material)
    trial, arm = trying.running(material), trying.proposed(material, customer)
    lacks = [Finding("warn", "", gap.words) for gap in gaps(material, at=now)]
    context = {
        "material": material,
        "customer": customer,
        "shown": queries.for_one(material, values, arm.text if arm else None),
        "arm": arm,
        "to_draw": customer is not None and trial is not None and arm is None,
        "trial": trial,
        "may_try": material.kind == Material.Kind.SCRIPT
        and (material.trial_id is not None or actions.may_edit(user, material)),
        "findings": [*findings_of(material), *lacks],
        "gaps": queries.gaps_of(material, customer, now),
        "card": card,
        "link_title": title_of(material),
        "price": price_of(material),
        "card_facts": [(CardFact(fact).label, card[name]) for name, fact in FACT_OF.items()]
        if card
        else [],
        "article": _article(material),
        "versions": actions.versions_of(material),
        "uses": material.uses.select_related("used_by__agent").order_by("-used_at")[:MOST_WORDS],
        "is_expired": is_expired,
        "refusal": refusal,
        "may_edit": actions.may_edit(user, material) and not material.is_archived,
        "may_restore": material.is_archived and user.can(Permission.CONTENT_EDIT),
        "may_propose": material.kind == Material.Kind.SCRIPT
        and material.tier != Material.Tier.GOLD
        and material.proposed_at is None
        and not material.is_archived,
        "may_grant": material.proposed_at is not None
        and material.owner_id != user.pk
        and user.can(Permission.CONTENT_APPROVE),
        "is_article": is_article,
        # An article goes out as a link, which is made for the place where it will stand.
        "may_send": user.can(Permission.SEND_PLAN) and is_usable and not is_article,
        "may_post": user.can(Permission.MOMENT_SCHEDULE)
        and is_usable
        and not (material.app_id or is_article),
    }
    status = 422 if refusal else 200
    return TemplateResponse(request, "crm/content/detail.html", context, status=status)


@requires(Permission.CONTENT_VIEW, scope=Scope.OWN)
@require_http_methods(["GET", "HEAD", "POST"])
def edit_material(request: HttpRequest, material_id: int | None = None) -> HttpResponseBase:
    """Write a new one, or change one."""
    material = None if material_id is None else _material(request, material_id)
    if material and not actions.may_edit(request.user, material):
        return _detail(request, material, refusal=_("只有作者和运营可以修改"))
    form = MaterialForm(
        request.POST or None, request.FILES or None, user=request.user, material=material
    )
    draft: MaterialContent | Material | None = material
    if form.is_bound:
        form.store_upload()
        draft = form.draft()
    if request.method == "POST" and "more" not in request.POST and form.is_valid():
        try:
            saved = actions.write(
                material=material,
                content=form.content(),
                by=request.user,
                now=timezone.now(),
                version=row_number(request.POST.get("version", "")),
            )
        except DomainError as refused:
            form.add_error(refused.field if refused.field in form.fields else None, str(refused))
        else:
            messages.success(request, _("已保存"))
            return redirect("crm:content:detail", saved.pk)
    version = row_number(request.POST.get("version", "")) or (material.version if material else 0)
    status = 422 if request.method == "POST" else 200
    context = {"form": form, "material": material, "version": version}
    if draft is not None:  # While nothing is written yet, nothing is wrong with it.
        context |= _lint(draft)
    return TemplateResponse(request, "crm/content/edit.html", context, status=status)


@requires(Permission.CONTENT_VIEW, scope=Scope.OWN)
@require_POST
def preview_material(request: HttpRequest) -> HttpResponse:
    """What is wrong with a material that is being written; asked while typing, writes nothing."""
    form = MaterialForm(request.POST, user=request.user, material=None)
    context = _lint(form.draft())
    # A file that was chosen comes with the whole form only.
    context["lint"] = [one for one in context["lint"] if one.field != "picture"]
    return TemplateResponse(request, "crm/content/_lint.html", context)


def _lint(card: MaterialContent | Material) -> dict[str, Any]:
    lacks = [Finding("warn", "", gap.words) for gap in gaps(card, at=timezone.now())]
    values = card_values(card)
    return {
        "sizes": sizes_of(card),
        "lint": [*findings_of(card), *lacks],
        "card": card,
        "article": _article(card),
        "is_filled": bool(values) and has_variables(card.text),
        "filled": told(card.text, values),
    }


def _article(card: MaterialContent | Material) -> list[ShownBlock]:
    """An article as its readers will see it; its buttons lead nowhere here."""
    if card.kind != Material.Kind.ARTICLE:
        return []

    def address(picture: MaterialPicture) -> str:
        return reverse("crm:content:picture", args=[picture.pk])

    return shown_blocks(blocks_of(card), picture_url=address, href=lambda _position: "")


@requires(Permission.CONTENT_VIEW, scope=Scope.OWN)
@require_POST
def archive_material(request: HttpRequest, material_id: int) -> HttpResponseBase:
    """Out of the lists."""
    return _step(request, material_id, actions.archive, _("已归档"))


@requires(Permission.CONTENT_EDIT, scope=Scope.OWN)
@require_POST
def restore_material(request: HttpRequest, material_id: int) -> HttpResponseBase:
    """Back into the lists."""
    return _step(request, material_id, actions.restore, _("已恢复"))


@requires(Permission.CONTENT_VIEW, scope=Scope.OWN)
@require_POST
def propose_gold(request: HttpRequest, material_id: int) -> HttpResponseBase:
    """Ask for gold."""
    return _step(request, material_id, actions.propose_gold, _("已申请金牌，等另一位同事评定"))


@requires(Permission.CONTENT_APPROVE, scope=Scope.OWN)
@require_POST
def grant_gold(request: HttpRequest, material_id: int) -> HttpResponseBase:
    """Grant gold; the author stays named."""

    def grant(**said: Any) -> None:
        actions.grant_gold(version=row_number(request.POST.get("version", "")), **said)

    return _step(request, material_id, grant, _("已评为金牌"))


@requires(Permission.CONTENT_VIEW, scope=Scope.OWN)
@require_POST
def copied(request: HttpRequest, material_id: int) -> HttpResponse:
    """Somebody took the text along: that is a use."""
    material = _material(request, material_id)
    try:
        customer = _customer(request)
        readers = (
            Customer.objects.for_user(request.user).filter(pk=customer.pk) if customer else None
        )
        actions.use_once(material=material, by=request.user, now=timezone.now(), readers=readers)
    except DomainError as refused:
        return HttpResponse(str(refused), status=422)
    return HttpResponse(status=204)


@requires(Permission.CONTENT_VIEW, scope=Scope.OWN)
@require_GET
def material_picture(request: HttpRequest, picture_id: uuid.UUID) -> HttpResponseBase:
    """A picture, never as a page of ours."""
    found = get_object_or_404(MaterialPicture.objects.for_user(request.user), pk=picture_id)
    return picture_response(found.file.open("rb"), name=found.pk.hex, extension=found.extension)


def _step(request: HttpRequest, material_id: int, act: Any, words: str) -> HttpResponseBase:
    material = _material(request, material_id)
    try:
        act(material=material, by=request.user, now=timezone.now())
    except DomainError as refused:
        return _detail(request, material, refusal=str(refused))
    messages.success(request, words)
    return redirect("crm:content:detail", material.pk)


def _material(request: HttpRequest, material_id: int) -> Material:
    rows = Material.objects.for_user(request.user)
    return get_object_or_404(
        rows.select_related("owner__agent", "approved_by", "route", "picture", "trial"),
        pk=material_id,
    )


def _conditions(request: HttpRequest) -> str:
    """What narrows the list, for its file."""
    asked = request.GET.copy()
    for name in ("after", "before", "customer", "format"):
        asked.pop(name, None)
    return asked.urlencode()


def _customer(request: HttpRequest) -> Customer | None:
    """The customer whom ``customer`` names, if the user may see them."""
    pk = row_number(request.GET.get("customer", ""))
    return Customer.objects.for_user(request.user).filter(pk=pk).first() if pk else None
