"""The balance for other systems: the same question, the same answer as the page."""

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analytics.pool.forms import balance_from, defaults
from analytics.pool.queries import balance
from crm.agents.access import Permission, Policy, Scope
from crm.shared.times import local_day

_NUMBER = serializers.IntegerField
_ANSWER = inline_serializer(
    "PoolBalance",
    {
        "question": serializers.DictField(),
        "opening": _NUMBER(),
        "closing": _NUMBER(),
        "days": inline_serializer(
            "PoolBalanceDay",
            {
                "day": serializers.DateField(),
                "opening": _NUMBER(),
                "in": _NUMBER(),
                "out": _NUMBER(),
                "closing": _NUMBER(),
                "by_reason": serializers.DictField(child=_NUMBER()),
                "relations_began": _NUMBER(),
                "relations_ended": _NUMBER(),
            },
            many=True,
        ),
        "coverage": serializers.DictField(child=_NUMBER()),
        "data_time": serializers.DateTimeField(),
        "definition_version": _NUMBER(),
    },
)


class PoolView(APIView):
    """In − out = change, every day, by reason, within what the account may see."""

    policy = Policy(Permission.API_FIGURES, Scope.CUSTOMER)

    @extend_schema(
        responses={200: _ANSWER},
        parameters=[
            OpenApiParameter("pool", str, enum=["friends", "groups"]),
            OpenApiParameter("from", str, description="first day, 2026-11-01"),
            OpenApiParameter("to", str, description="last day, included"),
        ],
    )
    def get(self, request: Request) -> Response:
        now = timezone.now()
        values = defaults(local_day(now)) | request.query_params.dict()
        return Response(balance(balance_from(values), user=request.user, now=now).as_json())
