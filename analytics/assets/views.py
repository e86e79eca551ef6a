"""The page of data assets, its file and its answer for other systems."""

from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analytics.assets.figures import NAME, definition, segment_of
from analytics.assets.measuring import DEFINITION_VERSION, AssetRefused, Assets, measure
from analytics.figures.numbers import opening
from analytics.segments.models import Segment
from crm.agents.access import Permission, Policy, Scope, requires
from crm.agents.actions import audit
from crm.shared.sheets import sheet_response
from crm.shared.times import local_day

TEMPLATE = "analytics/assets/assets.html"


@requires(Permission.ANALYTICS_VIEW, scope=Scope.CUSTOMER)
@require_GET
def assets(request: HttpRequest) -> HttpResponse:
    """Field by field: who has it, who lacks it, how fresh it is."""
    now, context = timezone.now(), _page(request)
    try:
        segment = segment_of(request.GET, request.user)
        found = measure(request.user, segment, now=now)
    except AssetRefused as refusal:
        return TemplateResponse(request, TEMPLATE, context | {"refusal": str(refusal)}, status=422)
    query = {"segment": segment.pk} if segment else {}
    note = definition()
    context |= {
        "segment": segment,
        "found": found,
        "rows": [
            (
                line,
                opening(NAME, line.held, line.label, note, field=line.code, state="held", **query),
                opening(
                    NAME, line.lacking, line.label, note, field=line.code, state="lacking", **query
                ),
            )
            for line in found.lines
        ],
        "data_time": found.data_time,
        "query": f"segment={segment.pk}" if segment else "",
        "may_export": request.user.can(Permission.EXPORT),
    }
    return TemplateResponse(request, TEMPLATE, context)


@requires(Permission.EXPORT, scope=Scope.CUSTOMER, audit=True)
@require_GET
def export(request: HttpRequest) -> HttpResponseBase:
    """The page's numbers as a file."""
    now = timezone.now()
    try:
        segment = segment_of(request.GET, request.user)
    except AssetRefused as refusal:
        context = _page(request) | {"refusal": str(refusal)}
        return TemplateResponse(request, TEMPLATE, context, status=422)
    found = measure(request.user, segment, now=now)
    audit(request.user, "assets.export", now=now, segment=segment.pk if segment else None)
    return sheet_response(
        f"data-assets-{local_day(now)}",
        [_("项目"), _("有"), _("缺"), _("占比"), _("更新时间的中位数")],
        _rows(found),
        kind=request.GET.get("format", ""),
    )


def _rows(found: Assets) -> Iterator[list[Any]]:
    for line in found.lines:
        yield [line.label, line.held, line.lacking, line.share, line.median_at]


def _page(request: HttpRequest) -> dict[str, Any]:
    return {
        "segments": Segment.objects.for_user(request.user).filter(is_archived=False),
        "definition": definition(),
    }


_ANSWER = inline_serializer(
    "DataAssets",
    {
        "customers": serializers.IntegerField(),
        "known_since_median": serializers.DateTimeField(allow_null=True),
        "assets": inline_serializer(
            "DataAsset",
            {
                "field": serializers.CharField(),
                "held": serializers.IntegerField(),
                "lacking": serializers.IntegerField(),
                "share": serializers.FloatField(allow_null=True),
                "median_at": serializers.DateTimeField(allow_null=True),
            },
            many=True,
        ),
        "data_time": serializers.DateTimeField(),
        "definition_version": serializers.IntegerField(),
    },
)


class AssetsView(APIView):
    """Completeness, freshness and consent of what is known, within what the account may see."""

    policy = Policy(Permission.API_FIGURES, Scope.CUSTOMER)

    @extend_schema(
        responses={200: _ANSWER},
        parameters=[OpenApiParameter("segment", int, description="a segment's number")],
    )
    def get(self, request: Request) -> Response:
        now = timezone.now()
        segment = segment_of(request.query_params, request.user)
        found = measure(request.user, segment, now=now)
        rows = [
            {
                "field": line.code,
                "held": line.held,
                "lacking": line.lacking,
                "share": line.share,
                "median_at": line.median_at,
            }
            for line in found.lines
        ]
        return Response(
            {
                "customers": found.customers,
                "known_since_median": found.known_since,
                "assets": rows,
                "data_time": found.data_time,
                "definition_version": DEFINITION_VERSION,
            }
        )
