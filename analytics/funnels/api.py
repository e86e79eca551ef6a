"""The funnel for other systems: the same question, the same answer as page and command."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analytics.events.budget import whole_budget
from analytics.funnels.parsing import question_from
from analytics.funnels.queries import ask, level_of_each, source_for
from analytics.funnels.question import COMPARISONS, COUNTS, ENTRIES, ORDERS, QuestionRefused
from crm.agents.access import Permission, Policy, Scope

_QUESTION = inline_serializer(
    "FunnelQuestion",
    {
        "steps": serializers.ListField(child=serializers.CharField(), min_length=1),
        "window": serializers.CharField(required=False, help_text="30d, 12h, 90m, 10s"),
        "order": serializers.ChoiceField(choices=ORDERS, required=False),
        "entry": serializers.ChoiceField(choices=ENTRIES, required=False),
        "step_window": serializers.ListField(child=serializers.CharField(), required=False),
        "min_gap": serializers.ListField(child=serializers.CharField(), required=False),
        "unit": serializers.CharField(required=False, help_text="customer, property:session_id"),
        "count": serializers.ChoiceField(choices=COUNTS, required=False),
        "exclude": serializers.ListField(
            child=serializers.CharField(), required=False, help_text="complained, complained@2-3"
        ),
        "hold": serializers.CharField(required=False, help_text="property, the same on all steps"),
        "compare": serializers.ChoiceField(choices=COMPARISONS, required=False),
        "value": serializers.CharField(required=False, help_text="amount, or a property"),
        "from": serializers.DateField(required=False),
        "to": serializers.DateField(required=False),
        "as_of": serializers.CharField(required=False),
        "breakdown": serializers.ListField(child=serializers.CharField(), required=False),
        "filters": serializers.DictField(
            child=serializers.ListField(child=serializers.CharField()), required=False
        ),
        "levels": serializers.BooleanField(required=False),
    },
)


def _rate(name: str) -> serializers.Serializer:
    return inline_serializer(
        name,
        {
            "x": serializers.IntegerField(),
            "n": serializers.IntegerField(),
            "rate": serializers.FloatField(allow_null=True),
            "low": serializers.FloatField(allow_null=True),
            "high": serializers.FloatField(allow_null=True),
        },
    )


# One class each, however often it is used: the schema names every shape once.
_RATE = type(_rate("FunnelRate"))


def _step(name: str) -> serializers.Serializer:
    return inline_serializer(
        name,
        {
            "number": serializers.IntegerField(),
            "step": serializers.CharField(),
            "label": serializers.CharField(),
            "reached": serializers.IntegerField(),
            "converted": serializers.IntegerField(),
            "dropped": serializers.IntegerField(),
            "open": serializers.IntegerField(),
            "rate_of_first": _RATE(),
            "rate_of_previous": _RATE(),
            "settled": serializers.IntegerField(),
            "settled_rate_of_first": _RATE(),
            "settled_rate_of_previous": _RATE(),
            "value_cents": serializers.IntegerField(allow_null=True),
            "median_seconds": serializers.FloatField(allow_null=True),
            "p90_seconds": serializers.FloatField(allow_null=True),
        },
    )


_STEP = type(_step("FunnelStep"))

_ANSWER = inline_serializer(
    "FunnelAnswer",
    {
        "steps": _STEP(many=True),
        "cells": inline_serializer(
            "FunnelCell",
            {
                "cell": serializers.DictField(child=serializers.CharField()),
                "labels": serializers.DictField(child=serializers.CharField()),
                "steps": _STEP(many=True),
            },
            many=True,
        ),
        "data_time": serializers.DateTimeField(),
        "as_of": serializers.DateTimeField(),
        "question": serializers.DictField(),
        "previous": serializers.DictField(allow_null=True),
        "levels": serializers.DictField(child=serializers.IntegerField(), required=False),
    },
)


class FunnelView(APIView):
    """Count who reached each step, within what the account may see."""

    policy = Policy(Permission.API_FIGURES, Scope.CUSTOMER)

    @extend_schema(
        request=_QUESTION,
        responses={200: _ANSWER},
        examples=[
            OpenApiExample(
                "standard journey",
                value={"steps": ["friend_added", "group_joined", "order_paid"], "window": "30d"},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        if not isinstance(request.data, dict):
            raise ValidationError({"body": ["send one JSON object"]})
        values: dict[str, Any] = dict(request.data)
        with_levels = values.pop("levels", False)
        if not isinstance(with_levels, bool):
            raise QuestionRefused("levels: true / false", field="levels")
        question = question_from(values)
        source = source_for(request.user)
        with whole_budget():
            body = ask(question, user=request.user, source=source).as_json()
            if with_levels:
                body["levels"] = level_of_each(question, user=request.user, source=source)
        return Response(body)
