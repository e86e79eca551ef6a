"""The risk for other systems: the same answer as the page."""

from django.utils import timezone
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analytics.risk.queries import answer, model_json
from analytics.risk.words import definition
from crm.agents.access import Permission, Policy, Scope

_LAYER = inline_serializer(
    "RiskLayer",
    {
        "layer": serializers.CharField(),
        "high": serializers.IntegerField(),
        "mid": serializers.IntegerField(),
        "low": serializers.IntegerField(),
        "expected": serializers.FloatField(allow_null=True),
        "paid_cents": serializers.IntegerField(),
        "high_cents": serializers.IntegerField(),
        "at_risk_cents": serializers.IntegerField(allow_null=True),
    },
    many=True,
)
_ANSWER = inline_serializer(
    "Risk",
    {
        "definition": serializers.CharField(),
        "model": serializers.DictField(allow_null=True),
        "layers": _LAYER,
        "data_time": serializers.DateTimeField(allow_null=True),
    },
)


class RiskView(APIView):
    """Friends by value layer and risk of deletion, and the newest attempt to learn it."""

    policy = Policy(Permission.API_FIGURES, Scope.CUSTOMER)

    @extend_schema(responses={200: _ANSWER})
    def get(self, request: Request) -> Response:
        found = answer(user=request.user, now=timezone.now())
        rows = [
            {
                "layer": line.layer,
                **line.bands,
                "expected": line.expected,
                "paid_cents": line.paid_cents,
                "high_cents": line.high_cents,
                "at_risk_cents": line.at_risk_cents,
            }
            for line in found.rows
        ]
        return Response(
            {
                "definition": definition(),
                "model": model_json(found.model),
                "layers": rows,
                "data_time": found.data_time,
            }
        )
