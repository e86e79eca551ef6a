"""The standing journey for other systems: the same question, the same answer as the page."""

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analytics.standing.forms import defaults, journey_from
from analytics.standing.journey import SPLITS
from analytics.standing.queries import journey
from crm.agents.access import Permission, Policy, Scope
from crm.shared.times import local_day

_CELL = {
    "key": serializers.CharField(),
    "label": serializers.CharField(),
    "reached": serializers.ListField(child=serializers.IntegerField()),
    "open": serializers.IntegerField(),
}
_ANSWER = inline_serializer(
    "StandingJourney",
    {
        "question": serializers.DictField(),
        "steps": serializers.ListField(child=serializers.CharField()),
        "total": inline_serializer("StandingJourneyTotal", _CELL),
        "cells": inline_serializer("StandingJourneyCell", _CELL, many=True),
        "data_time": serializers.DateTimeField(),
        "definition_version": serializers.IntegerField(),
    },
)


class JourneyView(APIView):
    """How far customers came in the standard journey, within what the account may see."""

    policy = Policy(Permission.API_FIGURES, Scope.CUSTOMER)

    @extend_schema(
        responses={200: _ANSWER},
        parameters=[
            OpenApiParameter("by", str, enum=list(SPLITS)),
            OpenApiParameter("from", str, description="first day of entry, 2026-11-01"),
            OpenApiParameter("to", str, description="last day of entry, included"),
        ],
    )
    def get(self, request: Request) -> Response:
        now = timezone.now()
        values = defaults(local_day(now)) | request.query_params.dict()
        return Response(journey(journey_from(values), user=request.user, now=now).as_json())
