"""Results of a send for other systems: the same answer as the page."""

from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analytics.results.figures import days_from
from analytics.results.judging import judge
from crm.agents.access import Permission, Policy, Scope
from crm.outreach.models import MassSend

_ANSWER = inline_serializer(
    "SendResults",
    {
        "send": serializers.IntegerField(),
        "days": serializers.IntegerField(),
        "ends_at": serializers.DateTimeField(),
        "is_over": serializers.BooleanField(),
        "status": serializers.ChoiceField(
            choices=["answered", "too_early", "unproven", "sample_ratio"]
        ),
        "arms": serializers.DictField(child=serializers.IntegerField()),
        "control": serializers.CharField(allow_null=True),
        "srm": serializers.DictField(allow_null=True),
        "results": serializers.ListField(child=serializers.DictField()),
        "without_control": serializers.DictField(),
        "contamination": serializers.DictField(child=serializers.IntegerField()),
        "definition_version": serializers.IntegerField(),
    },
)


class SendResultsView(APIView):
    """What a send earned against its control, after ``days`` (2, 7, 14 or 30) days."""

    policy = Policy(Permission.API_FIGURES, Scope.SEND)

    @extend_schema(responses={200: _ANSWER})
    def get(self, request: Request, send_id: int) -> Response:
        seen = MassSend.objects.for_user(request.user).filter(target=MassSend.Target.CUSTOMERS)
        send = seen.filter(pk=send_id).first()
        if send is None:
            raise Http404
        days = days_from(request.query_params)
        found = judge(send, days=days, user=request.user, now=timezone.now())
        return Response(found.as_json())
