"""The people behind a number for other systems: the same list as panel and file."""

from collections.abc import Iterable
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analytics.figures.lines import Lines, line_page
from analytics.figures.people import page_of_ids
from analytics.figures.registry import open_figure
from analytics.figures.views import opened_json
from crm.agents.access import Permission, Policy, Scope
from crm.customers.models import Customer

IDS_PER_PAGE = 1_000

_ANSWER = inline_serializer(
    "OpenedFigure",
    {
        "title": serializers.CharField(),
        "count": serializers.IntegerField(),
        "definition": serializers.CharField(),
        "definition_version": serializers.IntegerField(),
        "data_time": serializers.DateTimeField(allow_null=True),
        "rate": serializers.DictField(allow_null=True),
        "question": serializers.DictField(),
        "people": serializers.ListField(child=serializers.DictField()),
        "lines": serializers.ListField(child=serializers.DictField(), allow_null=True),
        "after": serializers.IntegerField(allow_null=True),
    },
)


class FigureView(APIView):
    """Who stands behind a number: its address is that of the page's link, under /api/v1/."""

    policy = Policy(Permission.API_FIGURES, Scope.CUSTOMER)

    @extend_schema(
        responses={200: _ANSWER},
        parameters=[
            OpenApiParameter("after", int, description="go on after this id; 1,000 a page"),
        ],
    )
    def get(self, request: Request, figure: str) -> Response:
        opened = open_figure(figure, request.query_params, request.user)
        if opened.lines is not None:
            return Response(opened_json(opened) | _lines(opened.lines, request))
        shown, after, _before = page_of_ids(opened.ids, request.query_params, IDS_PER_PAGE)
        people = _people(shown, request)
        return Response(opened_json(opened) | {"people": people, "lines": None, "after": after})


def _people(ids: Iterable[int], request: Request) -> list[dict[str, Any]]:
    numbers = Customer.objects.for_user(request.user).filter(pk__in=list(ids)).order_by("pk")
    return [
        {"id": pk, "customer_no": number or external or str(pk)}
        for pk, number, external in numbers.values_list("pk", "customer_no", "external_userid")
    ]


def _lines(lines: Lines, request: Request) -> dict[str, Any]:
    """Lines of a page with their words, and whom they concern, each once."""
    page = line_page(lines, user=request.user, params=request.query_params, size=IDS_PER_PAGE)
    told = [
        {"key": line.key, "customer": line.customer_id}
        | ({"name": line.name} if lines.of_things else {})
        | {"cells": dict(zip(lines.heads, line.cells, strict=True))}
        for line in page.rows
    ]
    people = {line.customer_id for line in page.rows if line.customer_id}
    return {"people": _people(people, request), "lines": told, "after": page.after}
