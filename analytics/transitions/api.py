"""Transitions for other systems: the same question, the same answer as page and command."""

from drf_spectacular.utils import OpenApiExample, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analytics.events.budget import whole_budget
from analytics.transitions.queries import ask
from analytics.transitions.question import SCHEMES, transition_from
from crm.agents.access import Permission, Policy, Scope

_QUESTION = inline_serializer(
    "TransitionQuestion",
    {
        "from": serializers.DateField(),
        "to": serializers.DateField(),
        "by": serializers.ChoiceField(choices=SCHEMES, required=False),
        "event": serializers.CharField(required=False),
    },
)
_ANSWER = inline_serializer(
    "TransitionAnswer",
    {
        "question": serializers.DictField(),
        "stages": serializers.ListField(child=serializers.CharField()),
        "customers": serializers.IntegerField(),
        "matrix": serializers.DictField(child=serializers.DictField()),
        "before": serializers.DictField(child=serializers.IntegerField()),
        "after": serializers.DictField(child=serializers.IntegerField()),
        "transitions": inline_serializer(
            "Transition",
            {
                "from": serializers.CharField(),
                "to": serializers.CharField(),
                "customers": serializers.IntegerField(),
                "rate": serializers.DictField(),
            },
            many=True,
        ),
        "data_time": serializers.DateTimeField(),
        "definition_version": serializers.IntegerField(),
    },
)


class TransitionsView(APIView):
    """Count who moved from which stage to which, within what the account may see."""

    policy = Policy(Permission.API_FIGURES, Scope.CUSTOMER)

    @extend_schema(
        request=_QUESTION,
        responses={200: _ANSWER},
        examples=[
            OpenApiExample(
                "who became a regular in November",
                value={"from": "2026-10-31", "to": "2026-11-30"},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        if not isinstance(request.data, dict):
            raise ValidationError({"body": ["send one JSON object"]})
        with whole_budget():
            return Response(ask(transition_from(request.data), user=request.user).as_json())
