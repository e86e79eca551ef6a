"""The people behind a number for other systems: the same list as panel and file."""

from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

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
        shown, after, _before = page_of_ids(opened.ids, request.query_params, IDS_PER_PAGE)
        numbers = Customer.objects.for_user(request.user).filter(pk__in=shown).order_by("pk")
        people = [
            {"id": pk, "customer_no": number or external or str(pk)}
            for pk, number, external in numbers.values_list("pk", "customer_no", "external_userid")
        ]
        return Response(opened_json(opened) | {"people": people, "after": after})
