"""Materials of the library: read by other systems, and written by them as the company's."""

import base64
import binascii
from io import BytesIO
from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from crm.agents.access import Permission, Policy, Scope
from crm.agents.models import User
from crm.api.idempotency import answer_once, digest_of, key_of
from crm.api.views import KEY_HEADER, REFUSALS, CountedView
from crm.catalog.models import Route
from crm.content.actions import MaterialContent, MaterialRefused, write
from crm.content.blocks import MOST_BLOCKS, Block, blocks_of, written
from crm.content.linting import findings_of
from crm.content.models import ArticleBlock, Material, MaterialPicture
from crm.content.pictures import store_picture
from crm.content.queries import FILTERS, material_page, materials
from crm.content.records import record_of
from crm.content.requirements import gaps

_FILTERS = [OpenApiParameter(name, str) for name in ("q", *FILTERS, "archived", "after")]


class NewBlock(serializers.Serializer):
    """One block of an article; pictures and product cards stand in the library already."""

    kind = serializers.ChoiceField([choice.value for choice in ArticleBlock.Kind])
    text = serializers.CharField(max_length=5_000, required=False, allow_blank=True)
    button = serializers.CharField(max_length=12, required=False, allow_blank=True)
    material_id = serializers.IntegerField(required=False, allow_null=True, min_value=1)


class NewMaterial(serializers.Serializer):
    """A material of the company. A product card names a route, or its own title, price and link."""

    kind = serializers.ChoiceField([choice.value for choice in Material.Kind])
    title = serializers.CharField(max_length=64, help_text="customers do not see it")
    topic = serializers.CharField(max_length=32, required=False, allow_blank=True)
    text = serializers.CharField(
        max_length=4000, required=False, allow_blank=True, trim_whitespace=False
    )
    link_url = serializers.CharField(max_length=2048, required=False, allow_blank=True)
    link_title = serializers.CharField(max_length=128, required=False, allow_blank=True)
    expires_on = serializers.DateField(required=False, allow_null=True)
    reuse_days = serializers.IntegerField(min_value=0, max_value=365, required=False)
    route_no = serializers.CharField(max_length=64, required=False, allow_blank=True)
    price = serializers.DecimalField(
        max_digits=11, decimal_places=2, min_value=0, required=False, allow_null=True
    )
    drive_minutes = serializers.IntegerField(
        min_value=0, max_value=10_080, required=False, allow_null=True
    )
    walk_metres = serializers.IntegerField(
        min_value=0, max_value=1_000_000, required=False, allow_null=True
    )
    room = serializers.CharField(max_length=128, required=False, allow_blank=True)
    app_id = serializers.CharField(max_length=64, required=False, allow_blank=True)
    app_page = serializers.CharField(max_length=1024, required=False, allow_blank=True)
    picture = serializers.CharField(
        required=False, allow_blank=True, help_text="a JPG or PNG file in Base64"
    )
    blocks = NewBlock(many=True, required=False, max_length=MOST_BLOCKS, help_text="of an article")


class MaterialView(CountedView):
    """What tokens for content may do."""

    policy = Policy(Permission.API_CONTENT, Scope.OWN)


class MaterialListView(MaterialView):
    """The list, and a new one."""

    @extend_schema(
        operation_id="list_materials",
        parameters=_FILTERS,
        responses={200: OpenApiTypes.OBJECT} | REFUSALS,
    )
    def get(self, request: Request) -> Response:
        """Fifty at a time, the latest change first; ``next`` is the ``after`` of the next page."""
        page = material_page(request.user, request.query_params)
        items = [record_of(material) for material in page]
        return Response({"items": items, "next": page.after, "total": page.total})

    @extend_schema(
        operation_id="create_material",
        parameters=[KEY_HEADER],
        request=NewMaterial,
        responses={201: OpenApiTypes.OBJECT} | REFUSALS,
    )
    def post(self, request: Request) -> Response:
        """A new material of the company; once per Idempotency-Key."""
        with override(request.user.language):
            key, digest = key_of(request), digest_of(request)
            wanted = NewMaterial(data=request.data)
            wanted.is_valid(raise_exception=True)

            def make() -> tuple[int, dict[str, Any]]:
                made = _made(dict(wanted.validated_data), by=request.user)
                # Kept as JSON for a repetition: dates go as they will be answered.
                return 201, _plain(_detail(request.user, made.pk))

            if key is None:
                status, body = make()
                return Response(body, status=status)
            now = timezone.now()
            (status, body), repeated = answer_once(
                make, key=key, digest=digest, user=request.user, now=now
            )
        headers = {"Idempotent-Replay": "true"} if repeated else None
        return Response(body, status=status, headers=headers)


class MaterialDetailView(MaterialView):
    """One material with what is wrong with it."""

    @extend_schema(
        operation_id="read_material", responses={200: OpenApiTypes.OBJECT, 404: None} | REFUSALS
    )
    def get(self, request: Request, material_id: int) -> Response:
        """Its newest version, what is wrong with it, and what it must yet tell to whom."""
        with override(request.user.language):
            return Response(_detail(request.user, material_id))


def _detail(user: User, material_id: int) -> dict[str, Any]:
    material = get_object_or_404(materials(user, {}, archived=None), pk=material_id)
    blocks = [
        {
            "kind": block.kind,
            "text": block.text,
            "button": block.button,
            "material_id": block.source.material_id if block.source else None,
            "material_version": block.source.number if block.source else None,
        }
        for block in blocks_of(material)
    ]
    return record_of(material) | {
        "blocks": blocks,
        "findings": [vars(finding) for finding in findings_of(material)],
        "missing": [
            {"rule": gap.code, "version": gap.version, "for": gap.name, "facts": list(gap.facts)}
            for gap in gaps(material, at=timezone.now())
        ],
    }


def _plain(body: dict[str, Any]) -> dict[str, Any]:
    when = {name: body[name].isoformat() for name in ("expires_on", "updated_at") if body[name]}
    return body | when


def _made(data: dict[str, Any], *, by: User) -> Material:
    price, number = data.pop("price", None), data.pop("route_no", "").strip()
    route = Route.objects.filter(route_no=number).first() if number else None
    if number and route is None:
        words = _("没有这个线路号，请核对产品系统里的线路号")
        raise MaterialRefused(words, field="route_no")
    blocks = tuple(_block(row, by=by) for row in data.pop("blocks", ()))
    content = MaterialContent(
        **data | {"picture": _picture(data.get("picture", ""), by=by), "blocks": blocks},
        tier=Material.Tier.COMPANY,
        route=route,
        price_cents=None if price is None else int(price * 100),
    )
    return write(material=None, content=content, by=by, now=timezone.now())


def _block(row: dict[str, Any], *, by: User) -> Block:
    number = row.get("material_id")
    source = Material.objects.for_user(by).filter(pk=number).first() if number else None
    if number and source is None:
        words = _("没有编号为 %(n)s 的素材") % {"n": number}
        raise MaterialRefused(words, field="blocks")
    text, button = row.get("text", ""), row.get("button", "")
    return written(kind=row["kind"], text=text, button=button, source=source)


def _picture(text: str, *, by: User) -> MaterialPicture | None:
    if not text:
        return None
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MaterialRefused(_("图片须是 Base64 编码的 JPG 或 PNG"), field="picture") from error
    return store_picture(upload=BytesIO(data), name="picture", by=by)
