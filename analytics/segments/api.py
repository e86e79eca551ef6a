"""Segments for other systems: how many answer a rule, and who."""

from datetime import date

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analytics.segments.over_time import end_of
from analytics.segments.parsing import rule_from
from analytics.segments.queries import Answer, answer, answer_then, refuse_misfits, setting_for
from analytics.segments.rule import Node
from crm.agents.access import Permission, Policy, Scope

_RULE = {"all": [{"tags": "any", "ids": [3, 8]}, {"field": "paid_days", "to": 90}]}


class SegmentCountView(APIView):
    """How many customers answer a rule now, or at the end of a past day (``as_of``).

    ``ids`` lists up to 1,000 that follow ``after``.
    """

    policy = Policy(Permission.API_FIGURES, Scope.CUSTOMER)

    @extend_schema(
        request=inline_serializer(
            "SegmentRule",
            {
                "rule": serializers.JSONField(),
                "ids": serializers.BooleanField(required=False),
                "after": serializers.IntegerField(required=False),
                "as_of": serializers.DateField(required=False),
            },
        ),
        responses={
            200: inline_serializer(
                "SegmentCount",
                {
                    "count": serializers.IntegerField(),
                    "engine": serializers.CharField(),
                    "rule": serializers.JSONField(),
                    "ids": serializers.ListField(child=serializers.IntegerField(), required=False),
                },
            )
        },
        examples=[OpenApiExample("rule", value={"rule": _RULE}, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        if not isinstance(request.data, dict) or "rule" not in request.data:
            raise ValidationError({"rule": "required"})
        tree = rule_from(request.data["rule"])
        refuse_misfits(tree, setting_for(tree))
        found = _found(tree, request)
        body = {"count": found.count, "engine": found.engine, "rule": tree.as_json()}
        if request.data.get("ids") is True:
            after = request.data.get("after", 0)
            if type(after) is not int or not 0 <= after < 2**32:
                raise ValidationError({"after": "a customer id"})
            body["ids"] = found.first(1_000, after=after)
        return Response(body)


def _found(tree: Node, request: Request) -> Answer:
    if "as_of" not in request.data:
        return answer(tree, user=request.user)
    try:
        day = date.fromisoformat(request.data["as_of"])
    except (TypeError, ValueError):
        raise ValidationError({"as_of": "a date as YYYY-MM-DD"}) from None
    return answer_then(tree, user=request.user, instant=end_of(day, timezone.now()))
