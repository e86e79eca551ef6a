"""Retention for other systems: the same question, the same answer as page and command."""

from drf_spectacular.utils import OpenApiExample, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analytics.events.budget import whole_budget
from analytics.retention.parsing import retention_from
from analytics.retention.queries import ask
from analytics.retention.question import KINDS, MODES, PERIODS
from crm.agents.access import Permission, Policy, Scope

_QUESTION = inline_serializer(
    "RetentionQuestion",
    {
        "birth": serializers.CharField(),
        "return": serializers.CharField(),
        "period": serializers.ChoiceField(choices=PERIODS, required=False),
        "kind": serializers.ChoiceField(choices=KINDS, required=False),
        "mode": serializers.ChoiceField(choices=MODES, required=False),
        "brackets": serializers.ListField(child=serializers.IntegerField(), required=False),
        "from": serializers.DateField(required=False),
        "to": serializers.DateField(required=False),
        "as_of": serializers.CharField(required=False),
    },
)
_CELL = {
    "period": serializers.IntegerField(),
    "eligible": serializers.IntegerField(),
    "returned": serializers.IntegerField(),
    "rate": serializers.FloatField(allow_null=True),
    "low": serializers.FloatField(allow_null=True),
    "high": serializers.FloatField(allow_null=True),
}
_ANSWER = inline_serializer(
    "RetentionAnswer",
    {
        "question": serializers.DictField(),
        "size": serializers.IntegerField(),
        "cohorts": inline_serializer(
            "RetentionCohort",
            {
                "cohort": serializers.DateField(),
                "size": serializers.IntegerField(),
                "cells": inline_serializer("RetentionCell", _CELL, many=True),
            },
            many=True,
        ),
        "periods": inline_serializer(
            "RetentionPeriod",
            _CELL
            | {
                "low_day": serializers.IntegerField(required=False),
                "high_day": serializers.IntegerField(required=False),
            },
            many=True,
        ),
        "data_time": serializers.DateTimeField(),
        "as_of": serializers.DateTimeField(),
        "definition_version": serializers.IntegerField(),
    },
)


class RetentionView(APIView):
    """Count who came back, cohort by cohort, within what the account may see."""

    policy = Policy(Permission.API_FIGURES, Scope.CUSTOMER)

    @extend_schema(
        request=_QUESTION,
        responses={200: _ANSWER},
        examples=[
            OpenApiExample(
                "repurchase by week",
                value={"birth": "order_paid", "return": "order_paid", "period": "week"},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        if not isinstance(request.data, dict):
            raise ValidationError({"body": ["send one JSON object"]})
        with whole_budget():
            return Response(ask(retention_from(request.data), user=request.user).as_json())
