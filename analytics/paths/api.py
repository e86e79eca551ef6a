"""Paths for other systems: the same question, the same answer as page and command."""

from drf_spectacular.utils import OpenApiExample, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analytics.events.budget import whole_budget
from analytics.paths.queries import ask
from analytics.paths.question import DIRECTIONS, path_from
from crm.agents.access import Permission, Policy, Scope

_QUESTION = inline_serializer(
    "PathQuestion",
    {
        "event": serializers.CharField(),
        "direction": serializers.ChoiceField(choices=DIRECTIONS, required=False),
        "window": serializers.CharField(required=False),
        "depth": serializers.IntegerField(required=False),
        "top": serializers.IntegerField(required=False),
        "ignore": serializers.ListField(child=serializers.CharField(), required=False),
        "repeats": serializers.BooleanField(required=False),
        "from": serializers.DateField(required=False),
        "to": serializers.DateField(required=False),
        "as_of": serializers.CharField(required=False),
    },
)
_COUNTED = {"people": serializers.IntegerField(), "rate": serializers.DictField()}
_ANSWER = inline_serializer(
    "PathAnswer",
    {
        "question": serializers.DictField(),
        "people": serializers.IntegerField(),
        "places": inline_serializer(
            "PathPlace",
            {"number": serializers.IntegerField(), "event": serializers.CharField()} | _COUNTED,
            many=True,
        ),
        "ways": inline_serializer(
            "PathWay",
            {
                "number": serializers.IntegerField(),
                "from": serializers.CharField(),
                "to": serializers.CharField(),
            }
            | _COUNTED,
            many=True,
        ),
        "paths": inline_serializer(
            "WholePath",
            {"events": serializers.ListField(child=serializers.CharField())} | _COUNTED,
            many=True,
        ),
        "different_paths": serializers.IntegerField(),
        "data_time": serializers.DateTimeField(),
        "as_of": serializers.DateTimeField(),
        "definition_version": serializers.IntegerField(),
    },
)


class PathsView(APIView):
    """Count what follows on an event or came before it, within what the account may see."""

    policy = Policy(Permission.API_FIGURES, Scope.CUSTOMER)

    @extend_schema(
        request=_QUESTION,
        responses={200: _ANSWER},
        examples=[
            OpenApiExample(
                "what new friends do first",
                value={"event": "friend_added", "window": "7d", "depth": 3},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        if not isinstance(request.data, dict):
            raise ValidationError({"body": ["send one JSON object"]})
        with whole_budget():
            return Response(ask(path_from(request.data), user=request.user).as_json())
