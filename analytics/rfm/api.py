"""The grid for other systems: the same question, the same answer as the page."""

from django.http import QueryDict
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analytics.rfm.forms import RfmForm
from analytics.rfm.layers import DEFINITION_VERSION, WINDOWS, RfmRefused
from analytics.rfm.queries import read_layers
from crm.agents.access import Permission, Policy, Scope

_ANSWER = inline_serializer(
    "RfmGrid",
    {
        "question": serializers.DictField(),
        "cuts": serializers.DictField(),
        "cells": inline_serializer(
            "RfmCell",
            {
                "layer": serializers.CharField(),
                "stage": serializers.CharField(),
                "customers": serializers.IntegerField(),
                "paid_cents": serializers.IntegerField(),
            },
            many=True,
        ),
        "total": serializers.IntegerField(),
        "data_time": serializers.DateTimeField(),
        "definition_version": serializers.IntegerField(),
    },
)


class RfmView(APIView):
    """Customers by value layer and life stage, within what the account may see."""

    policy = Policy(Permission.API_FIGURES, Scope.CUSTOMER)

    @extend_schema(
        responses={200: _ANSWER},
        parameters=[
            OpenApiParameter("on", str, description="last day, 2026-11-01"),
            OpenApiParameter("days", int, enum=list(WINDOWS)),
            OpenApiParameter("cut", str, enum=["mean", "rule"]),
        ],
    )
    def get(self, request: Request) -> Response:
        now = timezone.now()
        params = QueryDict(mutable=True)
        params.update(request.query_params.dict())
        form = RfmForm(params, now=now)
        question = form.question()
        if question is None:
            field, errors = next(iter(form.errors.items()))
            raise RfmRefused(str(errors[0]), field=field)
        found = read_layers(question, user=request.user, now=now)
        cuts = found.cuts
        rows = [
            {"layer": layer, "stage": stage, "customers": n, "paid_cents": paid}
            for (layer, stage), (n, paid) in sorted(found.cells.items())
        ]
        return Response(
            {
                "question": question.as_json(),
                "cuts": {
                    "recency_days": cuts.recency_days,
                    "order_days": cuts.order_days,
                    "money_cents": cuts.money_cents,
                    "buyers": cuts.buyers,
                    "rule_version": cuts.version,
                },
                "cells": rows,
                "total": sum(row["customers"] for row in rows),
                "data_time": found.data_time,
                "definition_version": DEFINITION_VERSION,
            }
        )
